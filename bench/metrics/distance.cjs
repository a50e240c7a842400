// Prints butteraugli's distance of two pictures of one size: its maximum over all pixels.
// On standard input: width and height (32 bits, little-endian), then the RGBA of each.
const { readFileSync } = require("node:fs");
const butteraugli = require("butteraugli");

const input = readFileSync(0);
const [width, height] = [input.readUInt32LE(0), input.readUInt32LE(4)];
const size = 4 * width * height;
const [one, other] = [8, 8 + size].map((start) => ({
  data: new Uint8Array(input.subarray(start, start + size)),
  width,
  height,
}));
console.log(butteraugli(one, other));
