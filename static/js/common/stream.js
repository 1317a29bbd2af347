// The one live connection of a page (/ws/stream/).
//
// Channels come from data-stream-channels on <body> or any element, or from subscribe(ch, handler).
// Every message becomes a DOM event on document.body, so htmx can listen: "stream:bars", "stream:fill",
// "stream:order", "stream:decision", "stream:equity", "stream:backtest", "stream:clock", "stream:resync",
// with event.detail = the envelope {v, ch, seq, ts, kind, data}.
// The socket only brings news; commands are always HTTP POST.

import { clock, patch } from "./format.js";

const HEARTBEAT_LIMIT_MS = 10_000;
const DELAYED_MS = 2_000;
const HIDDEN_GRACE_MS = 15_000;
const MAX_DELAY_MS = 10_000;
const FINAL = {
  4401: ["signed-out", "Signed out"],
  4403: ["refused", "Not in your plan"],
  4429: ["refused", "Too many tabs"],
};

const root = document.body;
const handlers = new Map(); // ch → Set of handlers
const sequences = new Map(); // ch → last seq of this connection
const wanted = new Set(); // channels to hold
const resyncing = new Set(); // channels whose snapshot is on its way
const snapshotAskedAt = new Map(); // ch → when

let socket = null;
let attempts = 0;
let timer = 0;
let hiddenTimer = 0;
let lastSeenAt = 0;
let skew = Infinity; // smallest (our clock − server clock) seen: what is left above it is lag
let lagMs = 0;
let finished = false;
let wasConnected = false;
let replay = null; // {speed, state} from the clock channel
let chipState = "";

// ------------------------------------------------------------------ public

export function subscribe(ch, handler) {
  if (!handlers.has(ch)) handlers.set(ch, new Set());
  handlers.get(ch).add(handler);
  hold([ch]);
  return () => handlers.get(ch)?.delete(handler);
}

export function start() {
  if (!root.dataset.stream) return;
  collect(document);
  root.addEventListener("htmx:load", (event) => collect(event.target));
  document.addEventListener("visibilitychange", onVisibility);
  addEventListener("online", () => connect());
  addEventListener("offline", () => setChip("offline", "Offline"));
  addEventListener("pagehide", () => socket?.close(1000));
  addEventListener("pageshow", (event) => event.persisted && connect());
  setInterval(watch, 1_000);
  connect();
}

// ------------------------------------------------------------------ connection

function connect() {
  if (finished || (socket && socket.readyState <= WebSocket.OPEN)) return;
  clearTimeout(timer);
  const address = new URL(root.dataset.stream, location.href);
  address.protocol = address.protocol.replace("http", "ws");
  const mine = new WebSocket(address);
  socket = mine;
  mine.addEventListener("open", () => mine === socket && onOpen());
  mine.addEventListener("message", (event) => mine === socket && onMessage(event.data));
  mine.addEventListener("close", (event) => mine === socket && onClose(event.code));
}

function onOpen() {
  attempts = 0;
  sequences.clear();
  resyncing.clear();
  lastSeenAt = Date.now();
  send([...wanted]);
  if (!wasConnected) return;
  // Pages catch up once for all channels, after the snapshots have arrived.
  setChip("catching-up", "Catching up");
  setTimeout(() => announce("resync", {}), 300);
}

function onClose(code) {
  socket = null;
  if (FINAL[code] || (code >= 4400 && code < 4500)) {
    finished = true;
    markStale(true);
    setChip(...(FINAL[code] || ["refused", `Refused (${code})`]));
    return;
  }
  if (document.hidden && chipState === "paused") return;
  const delay = Math.min(MAX_DELAY_MS, 500 * 2 ** attempts) * (0.7 + Math.random() * 0.6);
  attempts += 1;
  markStale(true);
  if (navigator.onLine === false) setChip("offline", "Offline");
  else setChip("reconnecting", "Reconnecting", `${Math.ceil(delay / 1000)} s`);
  timer = setTimeout(connect, delay);
}

function onVisibility() {
  clearTimeout(hiddenTimer);
  if (document.hidden) {
    hiddenTimer = setTimeout(() => {
      clearTimeout(timer);
      setChip("paused", "Paused", "tab hidden");
      const open = socket;
      socket = null;
      open?.close(1000);
    }, HIDDEN_GRACE_MS);
  } else if (!socket) {
    attempts = 0;
    connect();
  }
}

function watch() {
  if (!socket || socket.readyState !== WebSocket.OPEN || !lastSeenAt) return;
  if (Date.now() - lastSeenAt > HEARTBEAT_LIMIT_MS) {
    markStale(true);
    setChip("stale", "Stale", `since ${clock(new Date(lastSeenAt))}`);
    if (Date.now() - lastSeenAt > 2 * HEARTBEAT_LIMIT_MS) {
      const silent = socket;
      onClose(1006);
      silent.close();
    }
  }
}

// ------------------------------------------------------------------ channels

function collect(scope) {
  const found = [...(scope.querySelectorAll?.("[data-stream-channels]") ?? [])];
  if (scope.dataset?.streamChannels) found.push(scope);
  if (scope === document) found.push(root);
  hold(found.flatMap((element) => element.dataset.streamChannels.split(/\s+/).filter(Boolean)));
}

function hold(channels) {
  const fresh = channels.filter((ch) => !wanted.has(ch));
  fresh.forEach((ch) => wanted.add(ch));
  send([...new Set(fresh)]);
}

function send(channels) {
  if (!channels.length || socket?.readyState !== WebSocket.OPEN) return;
  socket.send(JSON.stringify({ sub: channels.map((ch) => ({ ch, since: null })) }));
}

function resync(ch) {
  // At most one snapshot a second for a channel; a second wish within it waits its turn.
  if (resyncing.has(ch)) return;
  const wait = Math.max(0, (snapshotAskedAt.get(ch) ?? 0) + 1_000 - Date.now());
  resyncing.add(ch);
  setChip("catching-up", "Catching up");
  setTimeout(() => {
    snapshotAskedAt.set(ch, Date.now());
    sequences.delete(ch);
    send([ch]);
    announce("resync", { ch });
  }, wait);
}

// ------------------------------------------------------------------ messages

function onMessage(text) {
  let message;
  try {
    message = JSON.parse(text);
  } catch {
    console.warn("stream: a message is not JSON");
    return;
  }
  const now = Date.now();
  lastSeenAt = now;
  measure(message.ts, now);
  if (message.kind === "heartbeat") return settle();
  if (message.kind === "resync") return resync(message.ch);
  if (message.kind === "error") {
    resyncing.delete(message.ch);
    return announce("error", message);
  }
  if (!inOrder(message)) return;
  deliver(message);
  settle();
}

// A snapshot starts the count; after it each message follows its forerunner or something was lost.
function inOrder({ ch, seq, kind }) {
  // What still comes before an awaited snapshot is older than it.
  if (resyncing.has(ch) && kind !== "snapshot") return false;
  const last = sequences.get(ch);
  if (kind === "snapshot" || seq === undefined || seq === null) {
    if (seq !== undefined && seq !== null) sequences.set(ch, seq);
    return true;
  }
  if (last === undefined) {
    sequences.set(ch, seq);
    return true;
  }
  if (seq <= last) return false;
  sequences.set(ch, seq);
  if (seq === last + 1) return true;
  resync(ch);
  return false;
}

function deliver(message) {
  const topic = topicOf(message);
  if (topic === "clock") noteClock(message.data);
  patchPage(message.ch, topic, message.data);
  handlers.get(message.ch)?.forEach((handler) => handler(message));
  announce(topic, message);
  if (message.kind === "snapshot") resyncing.delete(message.ch);
}

// "bars:SPX:1d" → "bars"; on the portfolio channel the data says what happened: "fill", "order", …
function topicOf({ ch, data }) {
  const first = String(ch).split(":")[0];
  return first === "portfolio" ? String(data?.type ?? data?.event ?? "portfolio").toLowerCase() : first;
}

function announce(name, detail) {
  root.dispatchEvent(new CustomEvent(`stream:${name}`, { detail, bubbles: true }));
}

function patchPage(ch, topic, data) {
  if (!data || typeof data !== "object") return;
  const fields = { ...data, ...(data.bar ?? {}) };
  for (const prefix of new Set([topic, ch])) {
    for (const element of document.querySelectorAll(`[data-live^="${CSS.escape(prefix)}."]`)) {
      const field = element.dataset.live.slice(prefix.length + 1);
      if (fields[field] !== undefined && fields[field] !== null) patch(element, fields[field]);
    }
  }
}

// ------------------------------------------------------------------ chip

function measure(ts, now) {
  const sent = Date.parse(ts);
  if (!Number.isFinite(sent)) return;
  skew = Math.min(skew, now - sent);
  lagMs = now - sent - Math.min(skew, 0);
  if (lagMs > 60_000) lagMs = now - sent - skew;
}

function noteClock(data) {
  replay = data?.speed ? { speed: Number(data.speed), state: String(data.state ?? "").toUpperCase() } : null;
}

function settle() {
  markStale(false);
  wasConnected = true;
  if (lagMs > DELAYED_MS) return setChip("delayed", "Delayed", `${(lagMs / 1000).toFixed(0)} s`);
  if (replay?.state === "PAUSED") return setChip("replay", "Replay paused");
  if (replay?.state === "ENDED" || replay?.state === "FINISHED") return setChip("closed", "Replay ended");
  if (replay) return setChip("replay", `Replay ${replay.speed}×`);
  return setChip("live", "Live", `${(lagMs / 1000).toFixed(1)} s`);
}

// The word is announced when it changes; the number beside it is not (it moves all the time).
function setChip(state, word, detail = "") {
  chipState = state;
  const chip = document.getElementById("stream-chip");
  if (!chip) return;
  chip.dataset.state = state;
  const text = chip.querySelector("[data-chip-text]");
  if (text.dataset.word !== word) {
    text.dataset.word = word;
    text.textContent = word;
    const extra = document.createElement("span");
    extra.setAttribute("aria-hidden", "true");
    extra.className = "hide-s";
    text.after(extra);
    while (extra.nextSibling) extra.nextSibling.remove();
  }
  const extra = text.nextElementSibling;
  const shown = detail ? `· ${detail}` : "";
  if (extra && extra.textContent !== shown) extra.textContent = shown;
}

function markStale(stale) {
  if (root.classList.contains("is-stale") !== stale) {
    root.classList.toggle("is-stale", stale);
    announce(stale ? "stale" : "fresh", {});
  }
}
