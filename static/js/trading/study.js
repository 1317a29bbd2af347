// Parallel coordinates of an optimization: d3 draws axes and brushes, number fields do the same with the keyboard.

/* global d3 */

const HEIGHT = 320;
const TOP = 34;
const BOTTOM = 16;
const SIDE = 56;
const GAP = 120;
const REFRESH_MS = 2_000;
const TABLE_ROWS = 50;

const plot = document.getElementById("parallel-plot");
const svg = plot && d3.select("#parallel-svg");
const count = document.getElementById("parallel-count");
const logBox = document.getElementById("parallel-log");
const ranges = new Map(); // axis → [low, high] chosen, numbers only
let data = { axes: [], labels: {}, rows: [] };
let timer = 0;
let isBrushing = false;
let isStale = false; // data came while somebody was drawing a range

const isNumber = (axis) => data.rows.every((row) => typeof row[axis] === "number");
const isIn = (row) => [...ranges].every(([axis, [low, high]]) => row[axis] >= low && row[axis] <= high);
const named = (name) => data.labels[name] ?? name;
const short = (value) => (typeof value === "number" ? Number(value.toPrecision(4)).toString() : value);

function scaleOf(axis) {
  const reach = [HEIGHT - BOTTOM, TOP];
  if (!isNumber(axis)) return d3.scalePoint([...new Set(data.rows.map((row) => row[axis]))].sort(), reach).padding(0.5);
  let [low, high] = d3.extent(data.rows, (row) => row[axis]);
  if (low === high) [low, high] = [low - 1, high + 1];
  return (logBox.checked ? d3.scaleSymlog() : d3.scaleLinear()).domain([low, high]).range(reach);
}

function draw() {
  // A redraw takes the range away from under the pointer: it waits until the pointer is up.
  isStale = isBrushing;
  if (isBrushing) return;
  svg.selectAll("*").remove();
  if (!data.rows.length) return;
  const width = Math.max(plot.clientWidth, 2 * SIDE + GAP * (data.axes.length - 1));
  svg.attr("viewBox", `0 0 ${width} ${HEIGHT}`).attr("width", width);
  const place = d3.scalePoint(data.axes, [SIDE, width - SIDE]);
  const scales = new Map(data.axes.map((axis) => [axis, scaleOf(axis)]));
  const path = (row) => "M" + data.axes.map((axis) => `${place(axis)},${scales.get(axis)(row[axis])}`).join("L");
  svg.append("g").selectAll("path").data(data.rows).join("path").attr("d", path).append("title").text((row) => `trial ${row.number}: ${short(row.objective)}`);
  const axes = svg.append("g").selectAll("g").data(data.axes).join("g").attr("transform", (axis) => `translate(${place(axis)},0)`);
  axes.each(function each(axis) {
    const group = d3.select(this);
    group.call(d3.axisLeft(scales.get(axis)).ticks(5));
    group.append("text").attr("y", 14).attr("text-anchor", "middle").text(named(axis));
    if (isNumber(axis)) addBrush(group, axis, scales.get(axis));
  });
  mark();
}

function addBrush(group, axis, scale) {
  const brush = d3.brushY().extent([[-12, TOP], [12, HEIGHT - BOTTOM]]).on("start", (event) => {
    isBrushing = Boolean(event.sourceEvent);
  }).on("end", (event) => {
    if (!event.sourceEvent) return;
    isBrushing = false;
    if (event.selection) ranges.set(axis, event.selection.map(scale.invert).sort((a, b) => a - b));
    else ranges.delete(axis);
    fillFields();
    if (isStale) draw();
    else mark();
  });
  const own = group.append("g").attr("class", "brush").call(brush);
  const range = ranges.get(axis);
  if (!range) return;
  // A half-open range ends where the axis does.
  const [low, high] = scale.domain();
  const ends = range.map((value) => scale(Math.min(Math.max(value, low), high)));
  own.call(brush.move, ends.sort((a, b) => a - b));
}

function mark() {
  const kept = data.rows.filter(isIn);
  const best = d3.max(kept, (row) => row.objective);
  svg.select("g").selectAll("path").attr("class", (row) => `line${isIn(row) ? "" : " is-out"}${isIn(row) && row.objective === best ? " is-top" : ""}`);
  svg.select("g").selectAll("path").filter(isIn).raise();
  count.textContent = ranges.size ? `${kept.length} of ${data.rows.length} trials within the ranges` : `${data.rows.length} trials`;
  plot.dataset.kept = kept.length;
  table(kept);
}

function table(kept) {
  const columns = ["number", "objective", ...data.axes];
  const body = d3.select("#parallel-table");
  body.selectAll("*").remove();
  body.append("thead").append("tr").selectAll("th").data(columns).join("th").attr("scope", "col").attr("class", "num").text(named);
  const rows = body.append("tbody").selectAll("tr").data(d3.sort(kept, (row) => -row.objective).slice(0, TABLE_ROWS)).join("tr");
  rows.selectAll("td").data((row) => columns.map((name) => row[name])).join("td").attr("class", "num").text(short);
}

function fields() {
  const box = d3.select("#parallel-ranges");
  const wanted = data.axes.filter(isNumber).flatMap((axis) => [[axis, 0], [axis, 1]]);
  box.selectAll("div").data(wanted, String).join((enter) => {
    const field = enter.append("div").attr("class", "field");
    field.append("label").attr("for", ([axis, end]) => `range-${axis}-${end}`).text(([axis, end]) => `${named(axis)} ${end ? "at most" : "at least"}`);
    field.append("input").attr("type", "number").attr("step", "any").attr("id", ([axis, end]) => `range-${axis}-${end}`).on("change", (event, [axis]) => readField(axis));
    return field;
  });
  fillFields();
}

function readField(axis) {
  const [low, high] = [0, 1].map((end) => document.getElementById(`range-${axis}-${end}`).value);
  if (low === "" && high === "") ranges.delete(axis);
  else ranges.set(axis, [low === "" ? -Infinity : Number(low), high === "" ? Infinity : Number(high)]);
  draw();
}

function fillFields() {
  for (const axis of data.axes.filter(isNumber)) {
    for (const end of [0, 1]) {
      const value = ranges.get(axis)?.[end];
      const input = document.getElementById(`range-${axis}-${end}`);
      if (input && input !== document.activeElement) input.value = Number.isFinite(value) ? Number(value.toPrecision(4)) : "";
    }
  }
}

async function load() {
  timer = 0;
  const answer = await fetch(plot.dataset.points, { headers: { Accept: "application/json" } });
  if (!answer.ok) return;
  data = await answer.json();
  if (data.rows.length) fields();
  draw();
}

if (plot) {
  const later = () => {
    timer ||= setTimeout(() => load().catch((error) => console.warn("trials:", error.message)), REFRESH_MS);
  };
  load().catch((error) => console.warn("trials:", error.message));
  document.body.addEventListener("stream:study", later);
  document.body.addEventListener("htmx:afterSwap", (event) => event.target.id === "study-live" && later());
  logBox.addEventListener("change", draw);
  document.getElementById("parallel-clear").addEventListener("click", () => {
    ranges.clear();
    fillFields();
    draw();
  });
  addEventListener("resize", draw);
}
