// Several runs in one chart: equity re-based to 100, told apart by line style, their drawdowns below.

import { LineSeries } from "../../vendor/lightweight-charts/lightweight-charts.standalone.production.mjs";
import { percentFormat, priceFormat, timeCell, timeLabel } from "./chart-look.js";
import { number, signedPercent } from "./format.js";

const ROLES = {
  run_a: { color: "accent", lineWidth: 2, lineStyle: 0 },
  run_b: { color: "text", lineWidth: 2, lineStyle: 2 },
  run_c: { color: "warn", lineWidth: 2, lineStyle: 1 },
  run_d: { color: "text-3", lineWidth: 2, lineStyle: 3 },
};

const plain = (points) => points.map(([time, value]) => ({ time, value: Number(value) }));

export function compareChart(figure, data) {
  const { chart } = figure;
  const lines = data.series.map((line) => {
    const { color, ...look } = ROLES[line.role] ?? ROLES.run_d;
    const options = { ...look, priceLineVisible: false, crosshairMarkerVisible: false };
    return {
      name: line.name,
      color,
      points: plain(line.points),
      falls: plain(line.drawdown),
      series: chart.addSeries(LineSeries, { ...options, priceFormat: priceFormat(1) }),
      under: chart.addSeries(LineSeries, { ...options, lineWidth: 1, lastValueVisible: false, priceFormat: percentFormat() }, 1),
    };
  });
  chart.panes()[0].setStretchFactor(3);
  chart.panes()[1].setStretchFactor(1);
  // Every line has the points of the first: the server put them on one grid.
  const rows = lines[0].points.map(({ time }, i) => ({ time, values: lines.map((line) => line.points[i].value), falls: lines.map((line) => line.falls[i].value) }));

  return {
    rows: () => rows,
    show() {
      this.paint();
      for (const line of lines) {
        line.series.setData(line.points);
        line.under.setData(line.falls);
      }
      chart.timeScale().fitContent();
    },
    paint() {
      for (const line of lines) {
        line.series.applyOptions({ color: figure.colors[line.color] });
        line.under.applyOptions({ color: figure.colors[line.color] });
      }
    },
    cells: (row, full) => [
      ["", full ? timeCell(row.time) : timeLabel(row.time)],
      ...lines.map((line, i) => [line.name, number(row.values[i], 1)]),
      ...(full ? lines.map((line, i) => [`Drawdown ${line.name}`, signedPercent(row.falls[i], 1)]) : []),
    ],
    anchor: (row) => [row.values[0], lines[0].series],
    setLog: (on) => lines[0].series.priceScale().applyOptions({ mode: on ? 1 : 0 }),
  };
}
