// Instrument page: fits the chosen range, brings the regimes of new bars, starts over with the replay.

import { chartOf } from "../common/chart.js";
import { isLeaving } from "../common/leaving.js";
import { subscribe } from "../common/stream.js";

const CATCH_UP_MS = 1_500;
const RECENT_BARS = 30;
const figure = document.getElementById("price-chart");
const page = figure && chartOf("price-chart");

if (page) {
  const { data } = page;
  let timer = 0;
  let epoch = null;

  if (data.range) page.chart.timeScale().fitContent();

  // A new bar arrives without its regime: the server works it out, once for many bars.
  async function catchUp(limit) {
    timer = 0;
    const answer = await fetch(`${data.bars_url}&limit=${limit}`, { headers: { Accept: "application/json" } });
    if (!answer.ok) return;
    const { bars } = await answer.json();
    if (bars.length > 1) page.kind.receive({ kind: "snapshot", data: { bars } });
  }

  const later = (limit) => {
    timer ||= setTimeout(() => catchUp(limit).catch((error) => console.warn("bars:", error.message)), CATCH_UP_MS);
  };

  document.body.addEventListener("stream:bars", ({ detail }) => {
    if (detail.ch === data.channel && detail.kind === "event") later(RECENT_BARS);
  });
  subscribe("clock", ({ data: clock }) => {
    const isAnew = epoch !== null && clock?.epoch !== epoch;
    if (!isAnew) epoch = clock?.epoch ?? epoch;
    else if (!isLeaving()) location.reload();
  });
}
