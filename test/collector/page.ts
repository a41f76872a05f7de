/** The map of probes and of the links between them, as one page that needs nothing else. */
import type { Matrix, MatrixLink } from "./matrix.ts";

const SIZE = 640;
const CENTRE = SIZE / 2;
const RADIUS = SIZE / 2 - 90;

export function drawPage(matrix: Matrix): string {
  const ids = [
    ...new Set([...matrix.probes.map(({ id }) => id), ...matrix.links.flatMap(({ from, to }) => [from, to])]),
  ].sort();
  const labels = new Map(matrix.probes.map(({ id, label }) => [id, label]));
  const places = new Map(
    ids.map((id, index) => {
      const angle = (2 * Math.PI * index) / ids.length - Math.PI / 2;
      return [id, { x: CENTRE + RADIUS * Math.cos(angle), y: CENTRE + RADIUS * Math.sin(angle) }] as const;
    }),
  );
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Speech quality between probes</title>
<style>${STYLE}</style>
<h1>Speech quality between probes</h1>
<p>${text(matrix.generated)}: ${ids.length} probes, ${matrix.links.length} links. Each line leads from who spoke to who heard; MOS as the probe counted, and as the recording says. Both are estimates by the E-model (ITU-T G.107), not PESQ.</p>
<svg viewBox="0 0 ${SIZE} ${SIZE}" role="img" aria-label="Map of probes">
<defs><marker id="end" viewBox="0 0 6 6" refX="6" refY="3" markerWidth="5" markerHeight="5" orient="auto"><path d="M0 0 6 3 0 6z" fill="context-stroke"/></marker></defs>
${matrix.links.map((link) => line(link, places)).join("\n")}
${ids.map((id) => node(id, labels.get(id) ?? "", places.get(id))).join("\n")}
</svg>
<table>
<thead><tr><th>from<th>to<th>MOS<th>lost<th>there and back<th>recording<th>lost in it<th>rounds</thead>
<tbody>
${matrix.links.map(row).join("\n")}
</tbody>
</table>
</html>
`;
}

const STYLE = `
body { font: 15px/1.5 system-ui, sans-serif; margin: 1.5rem auto; max-width: 60rem; padding: 0 1rem; color: #1b1f24; background: #fff }
svg { width: 100%; max-width: 40rem; display: block; margin: auto }
path.link { fill: none; stroke-width: 3 }
circle { fill: #1b1f24 }
text { font-size: 15px; text-anchor: middle; fill: currentColor }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid #d0d7de }
td.mos { font-weight: 600 }
@media (prefers-color-scheme: dark) { body { color: #e6edf3; background: #0d1117 } circle { fill: #e6edf3 } }
`;

interface Point {
  readonly x: number;
  readonly y: number;
}

/** Bent to its right, so that the way back lies beside it; ends before the circle. */
function line(link: MatrixLink, places: ReadonlyMap<string, Point>): string {
  const [from, to] = [places.get(link.from), places.get(link.to)];
  if (from === undefined || to === undefined || from === to) return "";
  const [dx, dy] = [to.x - from.x, to.y - from.y];
  const long = Math.hypot(dx, dy);
  const bend = { x: (from.x + to.x) / 2 - (dy / long) * 36, y: (from.y + to.y) / 2 + (dx / long) * 36 };
  const near = (point: Point) => {
    const way = Math.hypot(bend.x - point.x, bend.y - point.y);
    return `${(point.x + ((bend.x - point.x) / way) * 16).toFixed(1)} ${(point.y + ((bend.y - point.y) / way) * 16).toFixed(1)}`;
  };
  return `<path class="link" stroke="${colour(link.device?.mos)}" marker-end="url(#end)" d="M${near(from)} Q${bend.x.toFixed(1)} ${bend.y.toFixed(1)} ${near(to)}"><title>${text(link.from)} → ${text(link.to)}: ${link.device === undefined ? text(link.state) : `MOS ${link.device.mos.toFixed(2)}, ${percent(link.device.loss)} lost`}</title></path>`;
}

function node(id: string, label: string, place: Point | undefined): string {
  if (place === undefined) return "";
  const y = place.y < CENTRE ? place.y - 20 : place.y + 32;
  return `<circle cx="${place.x.toFixed(1)}" cy="${place.y.toFixed(1)}" r="9"><title>${text(label)}</title></circle><text x="${place.x.toFixed(1)}" y="${y.toFixed(1)}">${text(id)}</text>`;
}

function row(link: MatrixLink): string {
  const { device, wav } = link;
  const cells = [
    `<td>${text(link.from)}`,
    `<td>${text(link.to)}`,
    `<td class="mos" style="color:${colour(device?.mos)}">${device === undefined ? text(link.state) : device.mos.toFixed(2)}`,
    `<td>${device === undefined ? "-" : percent(device.loss)}`,
    `<td>${device?.rtt === undefined ? "-" : `${device.rtt.toFixed(1)} ms`}`,
    `<td>${wav === undefined ? "-" : `${text(wav.label)} ${wav.mos.toFixed(2)}`}`,
    `<td>${wav === undefined ? "-" : percent(wav.loss)}`,
    `<td>${link.measured} of ${link.rounds}`,
  ];
  return `<tr>${cells.join("")}`;
}

/** By what users say of such calls (G.107, annex B): satisfied, some are not, many are not, nearly all are not. */
function colour(mos: number | undefined): string {
  if (mos === undefined) return "#8b949e";
  if (mos >= 4.03) return "#1a7f37";
  if (mos >= 3.6) return "#9a6700";
  return mos >= 3.1 ? "#bc4c00" : "#cf222e";
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}

function text(given: string): string {
  return given.replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`);
}
