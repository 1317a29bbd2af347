// Plays the chart of the landing page: the drawing is there, a window over it opens bar by bar.
// Without this file, or with reduced motion, the whole stretch is simply visible.

const figure = document.querySelector("[data-tape]");
const data = JSON.parse(document.getElementById("tape-data").textContent);
const shade = figure.querySelector("[data-tape-window]");
const button = figure.querySelector("[data-tape-toggle]");
const word = figure.querySelector("[data-tape-word]");
const part = (name) => figure.querySelector(`[data-tape-${name}]`);
const readout = part("readout");
const whole = Number(shade.getAttribute("width"));
const count = data.date.length;
const OPENING_BARS = 12;
const MILLISECONDS_A_BAR = 160;
const REST_AT_END = 4000;

const locale = document.documentElement.dataset.locale || "en-US";
const price = new Intl.NumberFormat(locale, { minimumFractionDigits: 2, maximumFractionDigits: 2 });
const percent = new Intl.NumberFormat(locale, { style: "percent", minimumFractionDigits: 2, maximumFractionDigits: 2 });
const NAMES = { LOW: "Low", NORMAL: "Normal", HIGH: "High", EXTREME: "Extreme" };

let shown = OPENING_BARS;
let timer = 0;
let wanted = !matchMedia("(prefers-reduced-motion: reduce)").matches;
let visible = false;

function show(bars) {
  shown = bars;
  shade.setAttribute("width", ((whole / count) * bars).toFixed(1));
  const i = bars - 1;
  const change = data.change[i];
  const tone = change > 0 ? "up" : change < 0 ? "down" : "flat";
  const sign = { up: "+", down: "\u2212", flat: "" }[tone];
  part("date").textContent = data.date[i];
  part("close").textContent = price.format(data.close[i]);
  part("change").textContent = `${sign}${percent.format(Math.abs(change))}`;
  part("change").className = `num ${tone}`;
  const regime = data.regime[i];
  part("regime").textContent = regime ? `${NAMES[regime]} volatility` : "";
  part("regime").className = regime ? `regime regime-${regime.toLowerCase()}` : "regime";
}

function step() {
  const atEnd = shown >= count;
  show(atEnd ? OPENING_BARS : shown + 1);
  timer = setTimeout(step, shown >= count ? REST_AT_END : MILLISECONDS_A_BAR);
}

function update() {
  const playing = wanted && visible && !document.hidden;
  clearTimeout(timer);
  timer = playing ? setTimeout(step, MILLISECONDS_A_BAR) : 0;
  word.textContent = wanted ? "Pause" : "Play";
  button.setAttribute("aria-label", wanted ? "Pause the replay" : "Play the replay");
}

button.hidden = false;
readout.hidden = false;
show(wanted ? OPENING_BARS : count);
button.addEventListener("click", () => {
  wanted = !wanted;
  if (wanted && shown >= count) show(OPENING_BARS);
  update();
});
new IntersectionObserver(([entry]) => {
  visible = entry.isIntersecting;
  update();
}, { threshold: 0.25 }).observe(figure);
document.addEventListener("visibilitychange", update);
update();
