// Equity chart: strategy, benchmark dashed, random entries as band and dotted median, drawdown below.

import { AreaSeries, LineSeries } from "../../vendor/lightweight-charts/lightweight-charts.standalone.production.mjs";
import { alpha, moneyFormat, percentFormat, timeCell, timeLabel, toMs } from "./chart-look.js";
import { regimeBands, runsOf, shadedSpan, valueBand } from "./chart-primitives.js";
import { money, signedPercent } from "./format.js";

const ROLES = {
  strategy: { color: "accent", lineWidth: 2, lineStyle: 0 },
  benchmark: { color: "text-3", lineWidth: 1, lineStyle: 2 },
  null_median: { color: "text-3", lineWidth: 1, lineStyle: 1 },
};

export function equityChart(figure, data) {
  const { chart } = figure;
  const currency = data.currency ?? "USD";
  const lines = (data.series ?? []).map((line) => {
    const role = ROLES[line.role] ?? ROLES.benchmark;
    const series = chart.addSeries(LineSeries, {
      lineWidth: role.lineWidth, lineStyle: role.lineStyle, priceFormat: moneyFormat(), priceLineVisible: false,
      lastValueVisible: line.role === "strategy", crosshairMarkerVisible: line.role === "strategy",
    });
    return { ...line, color: role.color, series, points: line.points.map(([time, value]) => ({ time, value: Number(value) })) };
  });
  const main = lines.find((line) => line.role === "strategy") ?? lines[0];
  const drawdown = (data.drawdown ?? []).map(([time, value]) => ({ time, value: Number(value) }));
  const under = drawdown.length
    ? chart.addSeries(AreaSeries, { priceFormat: percentFormat(), lineWidth: 1, invertFilledArea: true, priceLineVisible: false, lastValueVisible: false, crosshairMarkerVisible: false }, 1)
    : null;
  if (under) {
    chart.panes()[0].setStretchFactor(3);
    chart.panes()[1].setStretchFactor(1);
  }
  let rows = [];
  let indexOf = new Map();
  let edges = new Map();
  const regimeOf = new Map((data.regimes ?? []).map(([time, regime]) => [toMs(time), regime]));

  // One row per point of the strategy line; the other lines are looked up by time.
  function join() {
    const others = lines.filter((line) => line !== main).map((line) => new Map(line.points.map((p) => [toMs(p.time), p.value])));
    edges = new Map((data.band ?? []).map(([time, low, high]) => [toMs(time), { low, high }]));
    const lows = new Map(drawdown.map((p) => [toMs(p.time), p.value]));
    rows = (main?.points ?? []).map(({ time, value }) => {
      const ms = toMs(time);
      return { time, value, others: others.map((map) => map.get(ms)), drawdown: lows.get(ms), regime: regimeOf.get(ms) ?? null };
    });
    indexOf = new Map(rows.map((row, i) => [toMs(row.time), i]));
  }

  join();
  let runs = runsOf(rows.map((row) => row.regime));
  if (main) {
    if (regimeOf.size) {
      main.series.attachPrimitive(regimeBands(() => runs, () => ({ colors: figure.colors.regimes, alphas: figure.colors.bands, letters: figure.colors.letters, ink: figure.colors.surface })));
    }
    if (data.in_sample_until) {
      const edge = toMs(data.in_sample_until);
      main.series.attachPrimitive(shadedSpan(() => {
        const last = rows.findLastIndex((row) => toMs(row.time) <= edge);
        return last < 0 ? null : { first: -1e6, last };
      }, () => alpha(figure.colors.accent, 0.09)));
    }
    if (data.band) {
      main.series.attachPrimitive(valueBand(
        () => data.band.map(([time, low, high]) => ({ index: indexOf.get(toMs(time)), low, high })).filter((p) => p.index !== undefined),
        () => alpha(figure.colors["text-3"], 0.16),
      ));
    }
  }

  return {
    rows: () => rows,
    show() {
      this.paint();
      lines.forEach((line) => line.series.setData(line.points.map((point) => ({ ...point }))));
      under?.setData(drawdown.map((point) => ({ ...point })));
      if (!rows.length) figure.canvas.dataset.empty = data.empty ?? "No points yet.";
      chart.timeScale().fitContent();
    },
    paint() {
      lines.forEach((line) => line.series.applyOptions({ color: figure.colors[line.color] }));
      under?.applyOptions({ lineColor: figure.colors.down, topColor: alpha(figure.colors.down, 0.28), bottomColor: alpha(figure.colors.down, 0.04) });
    },
    cells: (row, full) => [
      ["", full ? timeCell(row.time) : timeLabel(row.time)],
      [main?.name ?? "Equity", money(row.value, currency)],
      ...lines.filter((line) => line !== main).map((line, i) => [line.name, money(row.others?.[i], currency)]).filter(([, text]) => full || text !== "—"),
      ...(data.band_name ? ["low", "high"].map((edge) => [`${data.band_name} ${edge}`, money(edges.get(toMs(row.time))?.[edge], currency)]) : []),
      ...(under ? [["Drawdown", signedPercent(row.drawdown, 1)]] : []),
    ],
    anchor: (row) => [row.value, main.series],
    setLog: (on) => main.series.priceScale().applyOptions({ mode: on ? 1 : 0 }),
    // The same lines with what has come since.
    renew(next) {
      data.band = next.band;
      lines.forEach((line, i) => {
        line.points = next.series[i].points.map(([time, value]) => ({ time, value: Number(value) }));
      });
      join();
      lines.forEach((line) => line.series.setData(line.points.map((point) => ({ ...point }))));
    },
    // A new point of the live equity line, from messages that carry an equity and its market time.
    receive(message) {
      // A snapshot brings the last points: bars may have closed between the page and the socket.
      for (const point of message.data?.points ?? []) this.receive({ data: point });
      const body = message.data?.point ?? message.data ?? {};
      const raw = body.time ?? body.closed_at ?? body.market_at ?? body.at;
      if (body.equity === undefined || raw === undefined || !main) return;
      const dated = typeof main.points[0]?.time === "string";
      const time = dated ? String(raw).slice(0, 10) : typeof raw === "number" ? raw : Math.floor(Date.parse(raw) / 1000);
      const last = main.points[main.points.length - 1];
      if (last && toMs(time) < toMs(last.time)) return;
      const point = { time, value: Number(body.equity) };
      if (last && toMs(time) === toMs(last.time)) main.points[main.points.length - 1] = point;
      else main.points.push(point);
      delete figure.canvas.dataset.empty;
      main.series.update({ ...point });
      if (under) {
        const peak = main.points.reduce((most, one) => Math.max(most, one.value), data.opening ?? 0);
        const low = { time, value: body.drawdown === undefined ? point.value / peak - 1 : Number(body.drawdown) };
        const before = drawdown[drawdown.length - 1];
        if (before && toMs(before.time) === toMs(time)) drawdown[drawdown.length - 1] = low;
        else drawdown.push(low);
        under.update({ ...low });
      }
      if (body.regime) regimeOf.set(toMs(time), body.regime);
      join();
      runs = runsOf(rows.map((row) => row.regime));
      figure.changed();
    },
  };
}
