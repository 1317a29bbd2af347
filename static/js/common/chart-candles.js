// Price chart: candles (hollow up, filled down) or a line of closes, volume below, regimes behind, fills and signals as shapes.

import { CandlestickSeries, HistogramSeries, LineSeries } from "../../vendor/lightweight-charts/lightweight-charts.standalone.production.mjs";
import { alpha, priceFormat, timeCell, timeLabel, toMs, volumeFormat } from "./chart-look.js";
import { regimeBands, rings, runsOf } from "./chart-primitives.js";
import { big, number, pricePlaces, quantity } from "./format.js";

const SHAPES = {
  buy: { shape: "arrowUp", position: "belowBar", color: "up" },
  sell: { shape: "arrowDown", position: "aboveBar", color: "down" },
};
const LABEL_PX = 90; // room a fill's quantity needs so that it does not print over the next
const WORDS = { LOW: "Low", NORMAL: "Normal", HIGH: "High", EXTREME: "Extreme" };

export function candleChart(figure, data, createSeriesMarkers) {
  const { chart } = figure;
  const places = pricePlaces(data.tick);
  const daily = /[dw]$/i.test(data.timeframe ?? "1d");
  let bars = (data.bars ?? []).map(toBar).filter(Boolean);
  let markers = data.markers ?? [];
  let runs = [];
  let signals = [];
  let loading = false;
  let exhausted = !data.older_url;

  const isLine = data.style === "line";
  const candles = isLine
    ? chart.addSeries(LineSeries, { priceFormat: priceFormat(places), priceLineStyle: 1, lineWidth: 2 })
    : chart.addSeries(CandlestickSeries, { priceFormat: priceFormat(places), priceLineStyle: 1 });
  const pointOf = (bar) => (isLine ? { time: bar.time, value: bar.close } : { ...bar });
  const hasVolume = bars.some((bar) => bar.volume);
  const volume = hasVolume ? chart.addSeries(HistogramSeries, { priceFormat: volumeFormat(), priceLineVisible: false, lastValueVisible: false }, 1) : null;
  if (volume) {
    chart.panes()[0].setStretchFactor(5);
    chart.panes()[1].setStretchFactor(1);
  }
  candles.priceScale().applyOptions({ scaleMargins: { top: 0.08, bottom: 0.1 } });
  volume?.priceScale().applyOptions({ scaleMargins: { top: 0.2, bottom: 0 } });
  const shapes = createSeriesMarkers(candles, []);
  const bands = regimeBands(() => runs, () => ({
    colors: figure.colors.regimes,
    alphas: figure.colors.bands,
    letters: figure.colors.letters,
    ink: figure.colors.surface,
  }));
  candles.attachPrimitive(bands);
  const dots = rings(() => signals, () => figure.colors["text-3"]);
  candles.attachPrimitive(dots);
  const lines = (data.price_lines ?? []).map((line) => candles.createPriceLine({ price: Number(line.price), title: line.label ?? "", lineStyle: 2, lineWidth: 1 }));

  // The API says when a bar closed; a daily bar is its calendar date.
  function toBar(raw) {
    let time = raw.time ?? raw.closed_at;
    if (typeof time === "string") time = daily ? time.slice(0, 10) : Math.floor(Date.parse(time) / 1000);
    const bar = { time, closed_at: raw.closed_at, regime: raw.regime ?? null, is_forming: Boolean(raw.is_forming ?? raw.forming) };
    for (const field of ["open", "high", "low", "close", "volume"]) bar[field] = raw[field] === null || raw[field] === undefined ? undefined : Number(raw[field]);
    if (bar.open === undefined) return null;
    bar.high ??= bar.open;
    bar.low ??= bar.open;
    bar.close ??= bar.open;
    return bar;
  }

  const columnOf = (bar) => ({ time: bar.time, value: bar.volume ?? 0, color: alpha(figure.colors[bar.close >= bar.open ? "up" : "down"], 0.45) });

  function drawAll() {
    runs = runsOf(bars.map((bar) => bar.regime));
    // Copies: the library rewrites the times of what it is given.
    candles.setData(bars.map(pointOf));
    volume?.setData(bars.map(columnOf));
    drawMarkers();
    figure.canvas.toggleAttribute("data-empty", !bars.length);
    if (!bars.length) figure.canvas.dataset.empty = data.empty ?? "No bars in this range.";
  }

  function drawMarkers() {
    const first = bars.length ? toMs(bars[0].time) : Infinity;
    const placed = markers
      .map((marker) => ({ ...marker, index: snap(marker.time) }))
      .filter((marker) => marker.index >= 0 && toMs(marker.time) >= first);
    signals = placed.filter(({ kind }) => !SHAPES[kind]).map(({ index }) => ({ index, value: bars[index].high }));
    const fills = placed.filter(({ kind }) => SHAPES[kind]).sort((a, b) => a.index - b.index);
    const range = chart.timeScale().getVisibleLogicalRange();
    const inView = fills.filter(({ index }) => !range || (index >= range.from && index <= range.to)).length;
    const isDense = inView * LABEL_PX > figure.canvas.clientWidth;
    shapes.setMarkers(
      fills.map((marker) => ({
        time: bars[marker.index].time,
        shape: SHAPES[marker.kind].shape,
        position: SHAPES[marker.kind].position,
        color: figure.colors[SHAPES[marker.kind].color],
        text: isDense ? "" : (marker.text ?? ""),
      })),
    );
    dots.update();
  }

  const momentOf = (event) => {
    const raw = event.bar_closed_at ?? event.market_at ?? event.time ?? event.filled_at;
    return daily || typeof raw === "number" ? raw : Math.floor(Date.parse(raw) / 1000);
  };

  // A marker stands on the last bar that had closed at its time; −1 when there is none.
  function snap(time) {
    const wanted = toMs(daily && typeof time === "string" ? time.slice(0, 10) : time);
    return bars.findLastIndex((bar) => toMs(bar.time) <= wanted);
  }

  function upsert(raw) {
    const bar = toBar(raw);
    if (!bar) return;
    const last = bars[bars.length - 1];
    if (last && toMs(bar.time) < toMs(last.time)) return;
    if (last && toMs(bar.time) === toMs(last.time)) bars[bars.length - 1] = { ...bar, regime: bar.regime ?? last.regime };
    else bars.push(bar);
    const now = bars[bars.length - 1];
    runs = runsOf(bars.map((b) => b.regime));
    candles.update(pointOf(now));
    volume?.update(columnOf(now));
    bands.update();
  }

  function merge(list) {
    const known = new Map(bars.map((bar) => [toMs(bar.time), bar]));
    for (const bar of list.map(toBar).filter(Boolean)) {
      const before = known.get(toMs(bar.time));
      known.set(toMs(bar.time), { ...bar, regime: bar.regime ?? before?.regime ?? null });
    }
    bars = [...known.values()].sort((a, b) => toMs(a.time) - toMs(b.time));
  }

  async function loadOlder() {
    if (loading || exhausted || !bars.length) return;
    loading = true;
    try {
      const before = bars[0].closed_at ?? (daily ? bars[0].time : new Date(toMs(bars[0].time)).toISOString());
      const answer = await fetch(data.older_url + encodeURIComponent(before), { headers: { Accept: "application/json" } });
      if (!answer.ok) throw new Error(`older bars: HTTP ${answer.status}`);
      const body = await answer.json();
      const older = body.bars ?? body.results ?? body;
      const count = bars.length;
      const range = chart.timeScale().getVisibleLogicalRange();
      merge(older);
      const added = bars.length - count;
      exhausted = added === 0 || body.has_older === false;
      if (added) {
        drawAll();
        chart.timeScale().setVisibleLogicalRange({ from: range.from + added, to: range.to + added });
        figure.changed();
      }
    } catch (error) {
      exhausted = true;
      console.error(error);
    } finally {
      loading = false;
    }
  }

  return {
    rows: () => bars,
    show() {
      this.paint();
      drawAll();
      const wide = Math.max(30, Math.floor(figure.canvas.clientWidth / 7));
      // Room for the bars to come, so that none moves what is read.
      if (data.n_slots) chart.timeScale().setVisibleLogicalRange({ from: -1, to: data.n_slots });
      else if (bars.length > wide) chart.timeScale().setVisibleLogicalRange({ from: bars.length - wide, to: bars.length + 3 });
      else chart.timeScale().fitContent();
      chart.timeScale().subscribeVisibleLogicalRangeChange((range) => {
        if (range && range.from < 10) loadOlder();
        clearTimeout(this.relabel);
        this.relabel = setTimeout(drawMarkers, 150);
        figure.figure.querySelector("[data-chart-latest]")?.toggleAttribute("hidden", !range || range.to > bars.length - 2);
      });
    },
    paint() {
      const c = figure.colors;
      if (isLine) candles.applyOptions({ color: c.accent, priceLineColor: c["text-3"] });
      else candles.applyOptions({
        upColor: c.surface, downColor: c.down, borderUpColor: c.up, borderDownColor: c.down, wickUpColor: c.up, wickDownColor: c.down,
        priceLineColor: c["text-3"],
      });
      lines.forEach((line) => line.applyOptions({ color: c.accent }));
      if (bars.length) drawAll();
    },
    cells: (bar, full) => [
      ["", full ? timeCell(bar.time) : timeLabel(bar.time)],
      ["Open", number(bar.open, places)],
      ["High", number(bar.high, places)],
      ["Low", number(bar.low, places)],
      ["Close", number(bar.close, places)],
      ...(hasVolume ? [["Volume", full ? quantity(bar.volume, 0) : big(bar.volume)]] : []),
      ...(bar.regime || full ? [["Regime", WORDS[bar.regime] ?? "—"]] : []),
    ],
    anchor: (bar) => [bar.close, candles],
    setLog: (on) => candles.priceScale().applyOptions({ mode: on ? 1 : 0 }),
    hrefAt: (time) => markers.find((marker) => marker.href && bars[snap(marker.time)] && toMs(bars[snap(marker.time)].time) === toMs(time))?.href,
    receive(message) {
      const body = message.data ?? {};
      const list = body.bars ?? (body.bar ? [body.bar] : body.open !== undefined ? [body] : []);
      if (message.kind === "snapshot" && list.length > 1) {
        merge(list);
        drawAll();
      } else list.forEach(upsert);
      figure.changed();
    },
    // The same chart with what has come since; what is in view stays where it is.
    renew(next) {
      const range = chart.timeScale().getVisibleLogicalRange();
      markers = next.markers ?? [];
      merge(next.bars ?? []);
      drawAll();
      if (range) chart.timeScale().setVisibleLogicalRange(range);
    },
    addMarker(marker) {
      markers = [...markers, marker];
      drawMarkers();
    },
    listen(signal) {
      // A chart of the past is no place for what happens now: it draws what its page brings.
      if (!data.channel) return;
      document.body.addEventListener("stream:fill", ({ detail }) => {
        const fill = detail.data?.fill ?? detail.data ?? {};
        if (!fill.side || (fill.symbol ?? data.symbol) !== data.symbol) return;
        this.addMarker({ time: momentOf(fill), kind: String(fill.side).toLowerCase(), text: quantity(fill.quantity), href: fill.href });
      }, { signal });
      // The regime of a bar is known when its decision is: messages of bars carry none.
      document.body.addEventListener("stream:decision", ({ detail }) => {
        const decision = detail.data?.decision ?? detail.data ?? {};
        if (!decision.regime || (decision.symbol ?? data.symbol) !== data.symbol) return;
        const bar = bars[snap(momentOf(decision))];
        if (!bar) return;
        bar.regime = decision.regime;
        runs = runsOf(bars.map((b) => b.regime));
        bands.update();
        figure.changed();
      }, { signal });
    },
  };
}
