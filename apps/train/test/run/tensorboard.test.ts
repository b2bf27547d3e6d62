import { mkdtempSync, readdirSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { crc32c, tensorBoardSink } from "../../src/run/tensorboard.ts";

test("CRC-32C gives the check value of its definition", () => {
  expect(crc32c(new TextEncoder().encode("123456789"))).toBe(0xe3069283);
  expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa); // RFC 3720, B.4
});

test("writes TFRecords whose frames and scalars read back", async () => {
  const directory = mkdtempSync(join(tmpdir(), "vlmr1-tb-"));
  const sink = tensorBoardSink(directory, new Date(1_700_000_000_000));
  await sink.write({
    kind: "step",
    step: 300,
    steps: 400,
    seconds: 2,
    metrics: { "reward/mean": 0.5, "policy/kl": Number.NaN },
  });
  await sink.close();
  const [name] = readdirSync(directory);
  expect(name).toBe("events.out.tfevents.1700000000.vlmr1");
  const bytes = readFileSync(join(directory, name as string));
  const records = framesOf(bytes);
  expect(records).toHaveLength(2);
  expect(records[0]?.toString("latin1")).toContain("brain.Event:2");
  const scalars = records[1] as Buffer;
  expect(scalars.toString("latin1")).toContain("reward/mean");
  expect(scalars.toString("latin1")).not.toContain("policy/kl"); // not a number: TensorBoard could not draw it
  expect(scalars.readFloatLE(scalars.length - 4)).toBe(0.5);
  expect([...scalars.subarray(9, 12)]).toEqual([2 << 3, 0xac, 2]); // step 300 as a varint
});

function framesOf(bytes: Buffer): Buffer[] {
  const frames: Buffer[] = [];
  for (let offset = 0; offset < bytes.length;) {
    const length = bytes.readUInt32LE(offset);
    expect(unmasked(bytes.readUInt32LE(offset + 8))).toBe(crc32c(bytes.subarray(offset, offset + 8)));
    const payload = bytes.subarray(offset + 12, offset + 12 + length);
    expect(unmasked(bytes.readUInt32LE(offset + 12 + length))).toBe(crc32c(payload));
    frames.push(payload);
    offset += length + 16;
  }
  return frames;
}

function unmasked(masked: number): number {
  const rotated = (masked - 0xa282ead8) >>> 0;
  return ((rotated >>> 17) | (rotated << 15)) >>> 0;
}
