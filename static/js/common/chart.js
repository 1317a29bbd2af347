// Charts: every <figure data-chart> becomes a price, an equity or a comparison chart with a keyboard, a live region and a table.
// Data comes from the JSON beside the figure; new bars from the live connection; older ones from the API.

import { createChart, createSeriesMarkers } from "../../vendor/lightweight-charts/lightweight-charts.standalone.production.mjs";
import { candleChart } from "./chart-candles.js";
import { compareChart } from "./chart-compare.js";
import { equityChart } from "./chart-equity.js";
import { chartOptions, readColors } from "./chart-look.js";
import { subscribe } from "./stream.js";

const KINDS = { candles: candleChart, equity: equityChart, compare: compareChart };
const ANNOUNCE_MS = 300;
const charts = new Map(); // figure → chart

export const chartOf = (id) => charts.get(document.getElementById(id));

class Figure {
  constructor(figure) {
    this.figure = figure;
    this.canvas = figure.querySelector("[data-chart-canvas]");
    this.readout = figure.querySelector("[data-chart-readout]");
    this.live = figure.querySelector("[data-chart-live]");
    this.twin = figure.querySelector("[data-chart-twin]");
    this.source = document.getElementById(figure.dataset.chartSource).textContent;
    this.data = JSON.parse(this.source);
    this.colors = readColors();
    this.chart = createChart(this.canvas, chartOptions(this.colors));
    this.kind = KINDS[figure.dataset.chart](this, this.data, createSeriesMarkers);
    this.cursor = -1;
    this.kind.show();
    this.listen();
    this.describe(this.rows().length - 1);
    figure.dataset.ready = "1";
  }

  rows() {
    return this.kind.rows();
  }

  listen() {
    this.off = new AbortController();
    const { signal } = this.off;
    this.canvas.addEventListener("keydown", (event) => this.onKey(event), { signal });
    this.canvas.addEventListener("blur", () => this.chart.clearCrosshairPosition(), { signal });
    this.twin?.addEventListener("toggle", () => this.fillTable(), { signal });
    this.figure.addEventListener("change", (event) => event.target.matches("[data-chart-log]") && this.kind.setLog?.(event.target.checked), { signal });
    this.figure.querySelector("[data-chart-latest]")?.addEventListener("click", () => this.chart.timeScale().scrollToRealTime(), { signal });
    document.addEventListener("elson:theme", () => this.paint(), { signal });
    this.chart.subscribeCrosshairMove((param) => {
      if (param.logical === undefined || param.logical === null || !param.point) return this.describe(this.rows().length - 1);
      this.describe(Math.round(param.logical));
    });
    this.chart.subscribeClick((param) => {
      const href = param.time !== undefined && this.kind.hrefAt?.(param.time, param);
      if (href) location.assign(href);
    });
    if (this.data.channel) this.stop = subscribe(this.data.channel, (message) => this.kind.receive?.(message));
    this.kind.listen?.(signal);
  }

  paint() {
    this.colors = readColors();
    this.chart.applyOptions(chartOptions(this.colors));
    this.kind.paint();
  }

  // The newest values stand in the readout while nothing is pointed at.
  describe(index) {
    const row = this.rows()[index];
    if (!row || !this.readout) return;
    this.readout.replaceChildren(
      ...this.kind.cells(row).map(([label, text]) => {
        const item = document.createElement("span");
        item.append(label ? `${label} ` : "", Object.assign(document.createElement("b"), { textContent: text }));
        return item;
      }),
    );
  }

  onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const last = this.rows().length - 1;
    const jump = Math.max(1, Math.round(last / 10));
    const at = this.cursor < 0 ? last : this.cursor;
    const moves = { ArrowLeft: at - 1, ArrowRight: at + 1, PageUp: at - jump, PageDown: at + jump, Home: 0, End: last };
    if (event.key in moves) this.moveTo(Math.min(last, Math.max(0, moves[event.key])));
    else if (event.key === "+" || event.key === "=") this.zoom(0.7);
    else if (event.key === "-") this.zoom(1.4);
    else if (event.key === "0") this.chart.timeScale().fitContent();
    else if (event.key.toLowerCase() === "t" && this.twin) this.openTable();
    else return;
    event.preventDefault();
  }

  moveTo(index) {
    this.cursor = index;
    const row = this.rows()[index];
    if (!row) return;
    const scale = this.chart.timeScale();
    const range = scale.getVisibleLogicalRange();
    if (range && (index < range.from || index > range.to)) {
      const half = (range.to - range.from) / 2;
      scale.setVisibleLogicalRange({ from: index - half, to: index + half });
    }
    const [price, series] = this.kind.anchor(row);
    this.chart.setCrosshairPosition(price, row.time, series);
    this.describe(index);
    clearTimeout(this.speaking);
    this.speaking = setTimeout(() => {
      this.live.textContent = this.kind.cells(row).map(([label, text]) => `${label} ${text}`.trim()).join(", ");
    }, ANNOUNCE_MS);
  }

  zoom(factor) {
    const scale = this.chart.timeScale();
    const range = scale.getVisibleLogicalRange();
    if (!range) return;
    const middle = this.cursor >= 0 ? this.cursor : range.to;
    scale.setVisibleLogicalRange({ from: middle - (middle - range.from) * factor, to: middle + (range.to - middle) * factor });
  }

  openTable() {
    this.twin.open = true;
    this.twin.querySelector(".table-wrap").focus();
  }

  // Newest first; filled only while it is open.
  fillTable() {
    if (!this.twin?.open) return;
    const rows = this.rows();
    const table = document.createElement("table");
    table.className = "table table-compact";
    const cell = (name, text, scope) => {
      const element = document.createElement(name);
      element.textContent = text;
      if (scope) element.scope = scope;
      else element.className = "num";
      return element;
    };
    const head = table.createTHead().insertRow();
    head.append(...this.kind.cells(rows[rows.length - 1] ?? {}, true).map(([label], i) => (i ? cell("th", label, "col") : cell("th", "Time", "col"))));
    [...head.cells].slice(1).forEach((th) => th.classList.add("num"));
    const body = table.createTBody();
    for (let i = rows.length - 1; i >= 0; i -= 1) {
      const line = body.insertRow();
      line.append(...this.kind.cells(rows[i], true).map(([, text], j) => (j ? cell("td", text) : cell("th", text, "row"))));
    }
    this.twin.querySelector(".table-wrap").replaceChildren(table);
  }

  changed() {
    clearTimeout(this.filling);
    if (this.twin?.open) this.filling = setTimeout(() => this.fillTable(), 1_000);
    if (this.cursor < 0) this.describe(this.rows().length - 1);
  }

  // A figure kept through a swap draws what came with it, without losing zoom, cursor or table.
  renew() {
    const source = document.getElementById(this.figure.dataset.chartSource)?.textContent;
    if (!source || source === this.source) return;
    this.source = source;
    this.kind.renew?.(JSON.parse(source));
    this.changed();
  }

  remove() {
    this.off.abort();
    this.stop?.();
    this.chart.remove();
    charts.delete(this.figure);
  }
}

function startWithin(scope) {
  const figures = [...scope.querySelectorAll("figure[data-chart]")];
  if (scope.matches?.("figure[data-chart]")) figures.push(scope);
  for (const figure of figures) {
    if (charts.has(figure)) {
      charts.get(figure).renew();
      continue;
    }
    try {
      charts.set(figure, new Figure(figure));
      figure.elsonChart = charts.get(figure);
    } catch (error) {
      console.error(error);
      figure.querySelector("[data-chart-canvas]").dataset.empty = "This chart could not be drawn. The rest of the page works.";
    }
  }
}

document.body.addEventListener("htmx:load", (event) => startWithin(event.detail.elt));
document.body.addEventListener("htmx:beforeCleanupElement", (event) => charts.get(event.target)?.remove());
startWithin(document);
