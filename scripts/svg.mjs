// What the pictures of the documentation have in common.

/** Legible on white and on black. */
export const GREY = '#888888';

export function openSvg(width, height, title) {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img">`,
    `<title>${title}</title>`,
  ];
}

export function text(x, y, words, more = '') {
  return `<text x="${x}" y="${y}" fill="${GREY}" font-family="sans-serif" font-size="13" ${more}>${words}</text>`;
}

export function line(x1, y1, x2, y2, more = '') {
  return `<line x1="${x1}" y1="${y1}" x2="${x2}" y2="${y2}" stroke="${GREY}" ${more}/>`;
}
