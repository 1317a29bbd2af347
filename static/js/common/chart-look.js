// Colors, axes and labels of charts, read from the CSS variables so that there is one palette only.

import { big, day, dayMedium, number, percent } from "./format.js";

const REGIMES = ["LOW", "NORMAL", "HIGH", "EXTREME"];

export function readColors() {
  const probe = document.createElement("span");
  probe.hidden = true;
  document.body.append(probe);
  const color = (name) => {
    probe.style.color = `var(--${name})`;
    return getComputedStyle(probe).color;
  };
  const style = getComputedStyle(document.documentElement);
  const names = ["surface", "text", "text-2", "text-3", "border", "border-strong", "accent", "warn", "up", "down", "grid"];
  const found = Object.fromEntries(names.map((name) => [name, color(name)]));
  found.regimes = Object.fromEntries(REGIMES.map((r) => [r, color(`regime-${r.toLowerCase()}`)]));
  found.bands = Object.fromEntries(REGIMES.map((r) => [r, Number(style.getPropertyValue(`--band-${r.toLowerCase()}`)) || 0]));
  found.letters = matchMedia("(prefers-contrast: more), (forced-colors: active)").matches;
  probe.remove();
  return found;
}

export const alpha = (color, a) => `rgba(${color.match(/[\d.]+/g).slice(0, 3).join(", ")}, ${a})`;

// A bar's time as milliseconds UTC: "2008-09-15", seconds, or the library's {year, month, day}.
export function toMs(time) {
  if (typeof time === "number") return time * 1000;
  if (typeof time === "string") return Date.parse(time.length === 10 ? `${time}T00:00:00Z` : time);
  return Date.UTC(time.year, time.month - 1, time.day);
}

const isDate = (time) => typeof time !== "number";
const zone = () => document.documentElement.dataset.tz || "UTC";
const intl = (options, time) =>
  new Intl.DateTimeFormat(document.documentElement.dataset.locale, { ...options, timeZone: isDate(time) ? "UTC" : zone() }).format(new Date(toMs(time)));

export function timeLabel(time) {
  if (isDate(time)) return dayMedium(new Date(toMs(time)).toISOString());
  return intl({ dateStyle: "medium", timeStyle: "short", hourCycle: "h23" }, time);
}

export const timeCell = (time) => (isDate(time) ? day(new Date(toMs(time)).toISOString()) : timeLabel(time));

function tickMark(time, type) {
  if (type === 0) return intl({ year: "numeric" }, time);
  if (type === 1) return intl({ month: "short" }, time);
  if (type === 2) return intl({ day: "numeric" }, time);
  return intl({ hour: "2-digit", minute: "2-digit", hourCycle: "h23" }, time);
}

export function chartOptions(colors) {
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  return {
    autoSize: true,
    layout: {
      attributionLogo: false,
      background: { type: "solid", color: "transparent" },
      textColor: colors["text-3"],
      fontFamily: getComputedStyle(document.body).fontFamily,
      fontSize: 12,
      panes: { separatorColor: colors.border, separatorHoverColor: colors.border, enableResize: false },
    },
    grid: { vertLines: { color: colors.grid }, horzLines: { color: colors.grid } },
    crosshair: {
      mode: 0,
      vertLine: { color: colors["text-3"], style: 3, width: 1, labelBackgroundColor: colors["text-2"] },
      horzLine: { color: colors["text-3"], style: 3, width: 1, labelBackgroundColor: colors["text-2"] },
    },
    rightPriceScale: { borderVisible: false },
    timeScale: { borderColor: colors.border, tickMarkFormatter: tickMark, rightOffset: 3, minBarSpacing: 0.5, lockVisibleTimeRangeOnResize: true },
    localization: { locale: document.documentElement.dataset.locale, timeFormatter: timeLabel },
    kineticScroll: { mouse: false, touch: !calm },
    handleScroll: { mouseWheel: false, vertTouchDrag: false },
    handleScale: { mouseWheel: true, axisPressedMouseMove: true },
  };
}

export const priceFormat = (places) => ({ type: "custom", minMove: 10 ** -places, formatter: (value) => number(value, places) });
export const moneyFormat = () => ({ type: "custom", minMove: 0.01, formatter: (value) => (Math.abs(value) >= 1_000_000 ? big(value) : number(value, 0)) });
export const percentFormat = () => ({ type: "custom", minMove: 0.0001, formatter: (value) => percent(value, 1) });
export const volumeFormat = () => ({ type: "custom", minMove: 1, formatter: (value) => big(value) });
