// What is drawn behind the lines of a chart: regime bands with their strip, shaded spans, a band between two lines.

const STRIP_PX = 14;
const LETTERS = { LOW: "L", NORMAL: "N", HIGH: "H", EXTREME: "X" };

class Layer {
  constructor(draw) {
    this.draw = draw;
  }
  attached({ chart, series, requestUpdate }) {
    this.chart = chart;
    this.series = series;
    this.requestUpdate = requestUpdate;
  }
  detached() {
    this.chart = null;
  }
  update() {
    this.requestUpdate?.();
  }
  paneViews() {
    const renderer = {
      draw: (target) => target.useMediaCoordinateSpace(({ context, mediaSize }) => this.chart && this.draw(this, context, mediaSize)),
    };
    return [{ zOrder: () => "bottom", renderer: () => renderer }];
  }
}

// Left and right edge in pixels of the bars first…last, cut to what is visible.
function edges(layer, first, last, width) {
  const scale = layer.chart.timeScale();
  const from = scale.logicalToCoordinate(first);
  const to = scale.logicalToCoordinate(last);
  if (from === null || to === null) return null;
  const half = scale.options().barSpacing / 2;
  const left = Math.max(0, from - half);
  const right = Math.min(width, to + half);
  return right > left ? [left, right] : null;
}

// source() → [{first, last, regime}] by index; look() → {fill, band, strip, letters, text}
export function regimeBands(source, look) {
  return new Layer((layer, context, { width, height }) => {
    const { colors, alphas, letters, ink } = look();
    for (const { first, last, regime } of source()) {
      const span = regime && edges(layer, first, last, width);
      if (!span) continue;
      const [left, right] = span;
      context.fillStyle = colors[regime];
      if (!letters && alphas[regime] > 0) {
        context.globalAlpha = alphas[regime];
        context.fillRect(left, 0, right - left, height - STRIP_PX);
        context.globalAlpha = 1;
      }
      context.fillRect(left, height - STRIP_PX, right - left, STRIP_PX);
      if (letters && right - left > 12) {
        context.fillStyle = ink;
        context.font = "bold 11px sans-serif";
        context.fillText(LETTERS[regime], left + 3, height - 3);
      }
    }
  });
}

// source() → {first, last} or null; color() → css color
export function shadedSpan(source, color) {
  return new Layer((layer, context, { width, height }) => {
    const found = source();
    const span = found && edges(layer, found.first, found.last, width);
    if (!span) return;
    context.fillStyle = color();
    context.fillRect(span[0], 0, span[1] - span[0], height);
  });
}

// source() → [{index, low, high}]
export function valueBand(source, color) {
  return new Layer((layer, context) => {
    const scale = layer.chart.timeScale();
    const y = (value) => layer.series.priceToCoordinate(value);
    const points = source().map(({ index, low, high }) => ({ x: scale.logicalToCoordinate(index), top: y(high), base: y(low) }));
    const usable = points.filter(({ x, top, base }) => x !== null && top !== null && base !== null);
    if (usable.length < 2) return;
    context.beginPath();
    usable.forEach(({ x, top }, i) => (i ? context.lineTo(x, top) : context.moveTo(x, top)));
    usable.reverse().forEach(({ x, base }) => context.lineTo(x, base));
    context.closePath();
    context.fillStyle = color();
    context.fill();
  });
}

// source() → [{index, value}]: small rings a little above the value, for signals that were not traded
export function rings(source, color) {
  const layer = new Layer((self, context, { width }) => {
    const scale = self.chart.timeScale();
    const radius = Math.min(3, Math.max(1.5, scale.options().barSpacing / 3));
    context.strokeStyle = color();
    context.lineWidth = 1;
    for (const { index, value } of source()) {
      const x = scale.logicalToCoordinate(index);
      const y = self.series.priceToCoordinate(value);
      if (x === null || y === null || x < -radius || x > width + radius) continue;
      context.beginPath();
      context.arc(x, y - radius - 5, radius, 0, 2 * Math.PI);
      context.stroke();
    }
  });
  return layer;
}

// Neighbors with the same regime become one run.
export function runsOf(regimes) {
  const runs = [];
  regimes.forEach((regime, i) => {
    const open = runs[runs.length - 1];
    if (open && open.regime === regime) open.last = i;
    else runs.push({ first: i, last: i, regime });
  });
  return runs;
}
