// Numbers, money and time for streamed values: the same text as elson/common/formatting writes.
// Values may be numbers or decimal strings; strings keep every digit.

const MISSING = "—";
const MINUS = "−";
const html = () => document.documentElement.dataset;
const cache = new Map();

const formatter = (options) => {
  const key = (html().locale || "en-US") + JSON.stringify(options);
  if (!cache.has(key)) cache.set(key, new Intl.NumberFormat(html().locale || "en-US", options));
  return cache.get(key);
};
const isMissing = (value) => value === null || value === undefined || value === "" || !Number.isFinite(Number(value));
const write = (value, options) => (isMissing(value) ? MISSING : formatter(options).format(value).replaceAll("-", MINUS));
const fixed = (places) => ({ minimumFractionDigits: places, maximumFractionDigits: places });
const PLAIN = { signDisplay: "negative" };
const SIGNED = { signDisplay: "exceptZero" };

export const number = (value, places = 2) => write(value, { ...fixed(places), ...PLAIN });
export const signedNumber = (value, places = 2) => write(value, { ...fixed(places), ...SIGNED });
export const money = (value, currency = "USD", places = 2) =>
  write(value, { style: "currency", currency, ...fixed(places), ...PLAIN });
export const signedMoney = (value, currency = "USD", places = 2) =>
  write(value, { style: "currency", currency, ...fixed(places), ...SIGNED });
export const percent = (value, places = 2) => write(value, { style: "percent", ...fixed(places), ...PLAIN });
export const signedPercent = (value, places = 2) => write(value, { style: "percent", ...fixed(places), ...SIGNED });
export const quantity = (value, precision = 8) =>
  write(value, { minimumFractionDigits: 0, maximumFractionDigits: precision, ...PLAIN });
export const ratio = number;
export const basisPoints = (value, places = 1) => (isMissing(value) ? MISSING : `${number(value, places)}\u00a0bp`);

export const pricePlaces = (tick) => {
  if (isMissing(tick) || Number(tick) <= 0) return 2;
  const [mantissa, exponent = "0"] = String(tick).toLowerCase().split("e");
  const decimals = (mantissa.split(".")[1] || "").replace(/0+$/, "").length - Number(exponent);
  return Math.min(8, Math.max(2, decimals));
};
export const price = (value, tick) => number(value, pricePlaces(tick));

export const probability = (value) => {
  if (isMissing(value)) return MISSING;
  if (Number(value) < 0.01) return `<${number("0.01")}`;
  if (Number(value) > 0.99) return `>${number("0.99")}`;
  return number(value);
};

export const big = (value, places = 1) => {
  if (isMissing(value)) return MISSING;
  if (Math.abs(Number(value)) < 1000) return quantity(value, places);
  return write(value, { notation: "compact", compactDisplay: "short", minimumFractionDigits: 0, maximumFractionDigits: places, ...PLAIN });
};

export const duration = (seconds) => {
  if (isMissing(seconds)) return MISSING;
  const sign = seconds < 0 ? MINUS : "";
  const total = Math.trunc(Math.abs(seconds));
  const days = Math.trunc(total / 86400);
  const hours = Math.trunc((total % 86400) / 3600);
  const minutes = Math.trunc((total % 3600) / 60);
  if (days) return sign + (hours ? `${days} d ${hours} h` : `${days} d`);
  if (hours) return sign + (minutes ? `${hours} h ${minutes} min` : `${hours} h`);
  return `${sign}${String(minutes).padStart(2, "0")}:${String(total % 60).padStart(2, "0")}`;
};

// ------------------------------------------------------------------ time

const parts = (date, zone) => {
  const key = `parts${zone}`;
  if (!cache.has(key)) {
    cache.set(
      key,
      new Intl.DateTimeFormat("en-US", {
        timeZone: zone, hourCycle: "h23", year: "numeric", month: "2-digit", day: "2-digit",
        hour: "2-digit", minute: "2-digit", second: "2-digit",
      }),
    );
  }
  return Object.fromEntries(cache.get(key).formatToParts(date).map((part) => [part.type, part.value]));
};

const zoneName = (date, p) => {
  const shifted = Date.UTC(p.year, p.month - 1, p.day, p.hour, p.minute, p.second);
  const offset = Math.round((shifted - Math.floor(date.getTime() / 1000) * 1000) / 60000);
  const named = (html().tzNames || "0:UTC").split(" ").find((pair) => pair.startsWith(`${offset}:`));
  if (named) return named.slice(named.indexOf(":") + 1);
  const size = Math.abs(offset);
  const pad = (n) => String(n).padStart(2, "0");
  return `UTC${offset < 0 ? MINUS : "+"}${pad(Math.trunc(size / 60))}:${pad(size % 60)}`;
};

const toDate = (value) => (value instanceof Date ? value : new Date(typeof value === "number" ? value * 1000 : value));

// A calendar date stays the date it is: no zone ever moves it.
export const day = (value) => {
  if (!value) return MISSING;
  if (typeof value === "string" && /^\d{4}-\d{2}-\d{2}/.test(value)) return value.slice(0, 10);
  return toDate(value).toISOString().slice(0, 10);
};

export const dayMedium = (value) =>
  value
    ? new Intl.DateTimeFormat(html().locale, { dateStyle: "medium", timeZone: "UTC" }).format(new Date(`${day(value)}T00:00:00Z`))
    : MISSING;

export const clock = (value, { seconds = true } = {}) => {
  if (!value) return MISSING;
  const date = toDate(value);
  const p = parts(date, html().tz || "UTC");
  return `${p.hour}:${p.minute}${seconds ? `:${p.second}` : ""} ${zoneName(date, p)}`;
};

export const when = (value, { seconds = false } = {}) => {
  if (!value) return MISSING;
  const p = parts(toDate(value), html().tz || "UTC");
  return `${dayMedium(`${p.year}-${p.month}-${p.day}`)}, ${clock(value, { seconds })}`;
};

// ------------------------------------------------------------------ streamed values in the page

const GLYPHS = { up: "▲", down: "▼", flat: "●" };
const TONED = new Set(["signed", "delta", "delta_number"]);
const WRITERS = {
  money: (value, o) => money(value, o.currency),
  signed: (value, o) => signedMoney(value, o.currency),
  delta: (value, o) => signedPercent(value, o.places),
  delta_number: (value, o) => signedNumber(value, o.places),
  pct: (value, o) => percent(value, o.places),
  price: (value, o) => number(value, o.places),
  qty: (value) => quantity(value),
  ratio: (value, o) => ratio(value, o.places),
  big: (value) => big(value),
  day: (value) => day(value),
  when: (value) => when(value),
  text: (value) => String(value ?? MISSING),
};

const toneOf = (kind, value, places) => {
  const scaled = Number(value) * (kind === "delta" ? 100 : 1);
  const rounded = Number(scaled.toFixed(kind === "signed" ? 2 : places));
  return rounded > 0 ? "up" : rounded < 0 ? "down" : "flat";
};

// Puts a streamed value into an element made by the `live` tag, with the markup the server would write.
export function patch(element, value) {
  const kind = element.dataset.format || "text";
  const places = Number(element.dataset.places ?? 2);
  const text = WRITERS[kind](value, { currency: element.dataset.currency || "USD", places });
  if (element.tagName === "TIME") {
    element.textContent = text;
    element.dateTime = String(value);
    return;
  }
  const before = Number(element.querySelector("data")?.value);
  const data = document.createElement("data");
  data.className = "num";
  data.value = String(value);
  if (TONED.has(kind)) {
    const tone = toneOf(kind, value, places);
    data.classList.add(tone);
    const glyph = document.createElement("span");
    glyph.className = "glyph";
    glyph.setAttribute("aria-hidden", "true");
    glyph.textContent = GLYPHS[tone];
    data.append(glyph);
  }
  data.append(text);
  const moved = Number(value) - before;
  if (moved && Number.isFinite(moved) && element.dataset.flash !== undefined) {
    data.classList.add(moved > 0 ? "flash-up" : "flash-down");
  }
  element.replaceChildren(data);
}
