import { join } from "node:path";
import { expect, test } from "vitest";
import { r1v, r1vTemplate } from "../../src/index.ts";
import { all, published } from "../published.ts";

const images = join(published, "images");

test("reads counting questions", async () => {
  const samples = await all(await r1v({ path: join(published, "r1v/superclevr.jsonl"), images }));
  expect(samples.map(({ target }) => target)).toEqual(
    [4, 5, 6].map((count) => ({ answer: `${count}`, solution: `${count}` })),
  );
  expect(samples[0]).toMatchObject({
    id: "superclevr/line-1",
    prompt: r1vTemplate("How many different items are there in the image?"),
  });
  expect(samples.map(({ images }) => images.length)).toEqual([1, 1, 1]);
});

test("reads geometry questions, whose truth is text", async () => {
  const dataset = await r1v({ path: join(published, "r1v/geoqa.jsonl"), images });
  expect((await dataset.get(0)).target.answer).toBe("140°");
});
