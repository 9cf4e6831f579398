import assert from "node:assert/strict";
import { test } from "node:test";

import { PIECE, Sending, pieceOf } from "../../absslab/widgets/ui/js/upload.mjs";

test("pieces follow on each other and end with the file", () => {
  const size = 2 * PIECE + 5;
  const pieces = [];
  for (let offset = 0; offset < size; offset = pieces.at(-1)[1]) pieces.push(pieceOf(offset, size));
  assert.deepEqual(pieces, [[0, PIECE], [PIECE, 2 * PIECE], [2 * PIECE, size]]);
});

test("a file is announced, and sent piece by piece as the kernel asks", async () => {
  const bytes = new Uint8Array(PIECE + 3).map((_, i) => i % 251);
  const file = new File([bytes], "a.wav");
  const said = [];
  const sending = new Sending(file, 7, (content, buffers) => said.push([content, buffers]));
  assert.deepEqual(said[0][0], { type: "begin", number: 7, name: "a.wav", size: bytes.length });
  assert.equal(await sending.next(0), PIECE / bytes.length);
  assert.equal(await sending.next(PIECE), 1);
  assert.deepEqual(said.slice(1).map(([content]) => content.offset), [0, PIECE]);
  const sent = said.slice(1).flatMap(([, buffers]) => [...new Uint8Array(buffers[0])]);
  assert.deepEqual(sent, [...bytes]);
});

test("a file that is gone is an error, for the page to show", async () => {
  const file = { name: "a.wav", size: 3, slice: () => ({ arrayBuffer: () => Promise.reject(new Error("gone")) }) };
  await assert.rejects(new Sending(file, 1, () => {}).next(0), /gone/);
});
