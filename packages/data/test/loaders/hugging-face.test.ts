import { readFile, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { huggingFace, refCocoTable, recQuestion, recTemplate, thinkTemplate } from "../../src/index.ts";
import { all, copyOf, published, refusal, temporaryFolder, train2014 } from "../published.ts";

const hf = (name: string): string => join(published, "hf", name);

test("reads lmms-lab's RefCOCO: one sample an expression, [x, y, width, height] as a box", async () => {
  const samples = await all(await refCocoTable({ path: hf("refcoco-val.parquet") }));
  expect(samples.map(({ id, target }) => [id, target.expression])).toEqual([
    ["row-0/0", "the lady"],
    ["row-0/1", "blue shirt"],
    ["row-1/0", "left guy"],
  ]);
  expect(samples[1]!.prompt).toBe(recTemplate(recQuestion("blue shirt")));
  expect(samples[0]!.target.box).toEqual([16, 12, 32, 24]);
  expect(samples[2]!.target.box).toEqual([15, 10, 15 + Math.fround(15.02), 20]); // stored as float32
  expect(samples.map(({ images }) => [images[0]!.width, images[0]!.height])).toEqual([
    [64, 48],
    [64, 48],
    [60, 40],
  ]);
});

test.each(["none", "snappy", "gzip", "zstd", "brotli"])(
  "reads parquet with %s compression",
  async (compression) => {
    const samples = await all(await refCocoTable({ path: hf(`refcoco-${compression}.parquet`) }));
    expect(samples.map(({ target }) => target.expression)).toEqual(["the lady", "blue shirt", "left guy"]);
  },
);

test.each([
  ["a folder of save_to_disk in two shards", "saved", undefined, ["3", "5", "0"]],
  ["a split of a saved DatasetDict", "saved-dict", "train", ["3", "5"]],
  ["another split of it", "saved-dict", "test", ["0"]],
  ["a folder of parquet shards", "shards", "train", ["3", "5", "0"]],
  ["the data folder itself", "shards/data", "test", ["0"]],
  ["one Arrow file", "saved/data-00000-of-00002.arrow", undefined, ["3", "5"]],
])("reads %s", async (_, path, split, answers) => {
  const samples = await all(await huggingFace({ path: hf(path), ...(split === undefined ? {} : { split }) }));
  expect(samples.map(({ target }) => target.answer)).toEqual(answers);
  expect(samples[0]!.images.length).toBe(1);
});

test("shows the same pixels from parquet and from Arrow", async () => {
  const parquet = await all(await huggingFace({ path: hf("shards"), split: "train" }));
  const arrow = await all(await huggingFace({ path: hf("saved") }));
  expect(parquet.map(({ images }) => images)).toEqual(arrow.map(({ images }) => images));
  expect(arrow[0]).toMatchObject({
    id: "row-0",
    prompt: thinkTemplate("How many?"),
    target: { solution: "<answer> 3 </answer>" },
  });
});

test("reads rows of several images, and of none", async () => {
  const samples = await all(await huggingFace({ path: hf("multi.parquet"), columns: { image: "images" } }));
  expect(samples.map(({ images, target }) => [images.length, target.answer])).toEqual([
    [2, "1"],
    [0, "2"],
  ]);
});

test("opens images that a table only names, inside the folder that is named", async () => {
  const dataset = await huggingFace({ path: hf("named.parquet"), images: train2014 });
  expect((await dataset.get(0)).images[0]).toMatchObject({ width: 64, height: 48 });
  const unnamed = await huggingFace({ path: hf("named.parquet") });
  expect(await refusal(() => unnamed.get(0))).toMatch(
    /^invalid-argument: .*row 0: the table names the image .*option images/,
  );
});

test("takes ids and groups from columns", async () => {
  const columns = { id: "count", group: "label" };
  const samples = await all(await huggingFace({ path: hf("saved"), columns }));
  expect(samples.map(({ id, group }) => [id, group])).toEqual([
    ["3", "0"],
    ["5", "1"],
    ["1099511627776", "1"],
  ]);
  const shared = await huggingFace({ path: hf("saved"), columns: { id: "label" } });
  expect((await all(shared)).map(({ id }) => id)).toEqual(["0", "1", "1-2"]);
  expect(shared.warnings).toEqual([
    expect.stringMatching(/row 2: the id of an earlier record is used again/),
  ]);
});

test("names columns and splits that are not there", async () => {
  expect(await refusal(() => huggingFace({ path: hf("saved"), columns: { problem: "question" } }))).toMatch(
    /^invalid-argument: .*no column "question"; its columns are "image", "problem"/,
  );
  expect(await refusal(() => huggingFace({ path: hf("shards") }))).toMatch(
    /has several splits.* "test", "train"/,
  );
  expect(await refusal(() => huggingFace({ path: hf("saved-dict"), split: "dev" }))).toMatch(
    /no split "dev"; there are "train", "test"/,
  );
  expect(await refusal(() => huggingFace({ path: hf("nowhere") }))).toMatch(/^not-found/);
  expect(await refusal(() => huggingFace({ path: published }))).toMatch(/^not-found: .*holds no/);
  expect(
    await refusal(() => huggingFace({ path: join(train2014, "COCO_train2014_000000000009.jpg") })),
  ).toMatch(/^unsupported/);
});

test("a null question or answer is an error with its row, or skipped", async () => {
  const options = { path: hf("saved"), columns: { solution: "weight" } };
  expect(await refusal(() => huggingFace(options))).toMatch(
    /row 1, field "weight": the answer should be here, found nothing/,
  );
  const dataset = await huggingFace({ ...options, onBadSample: "skip" });
  expect((await all(dataset)).map(({ target }) => target.answer)).toEqual(["0.5", "-2"]);
  expect(dataset.skipped.count).toBe(1);
});

test.each(["saved/data-00000-of-00002.arrow", "refcoco-snappy.parquet"])(
  "refuses %s cut off anywhere",
  async (name) => {
    const path = join(await copyOf("hf"), "hf", name);
    const { length } = await readFile(path);
    for (let size = 0; size < length; size += 61) {
      await writeFile(path, await readFile(hf(name)));
      await truncate(path, size);
      expect(
        await refusal(async () =>
          all(await huggingFace({ path, columns: { problem: "question", solution: "answer" } })),
        ),
      ).toMatch(/^invalid-data/);
    }
  },
);

test("refuses shards outside the folder", async () => {
  const folder = join(await copyOf("hf"), "hf");
  await writeFile(
    join(folder, "saved/state.json"),
    JSON.stringify({ _data_files: [{ filename: "../saved-dict/x.arrow" }] }),
  );
  expect(await refusal(() => huggingFace({ path: join(folder, "saved") }))).toMatch(
    /state\.json, _data_files\[0\]\.filename: .*not inside/,
  );
});

test.each([
  ["date", ["2024-05-01", "1969-12-31", "2024-02-29", "2000-01-01", "None"]],
  ["moment", ["2024-05-01 12:30:00", "2024-05-01", "2024-05-01 01:02:03.456", "1970-01-01", "None"]],
  ["score", ["0.5", "-1", "1e+300", "missing", "inf"]],
  ["list", ["[2024-05-01]", "[]", "[None]", "None", "[2000-01-01, 2000-01-02]"]],
  ["decimal", ["1.5", "-2.25", "None", "0.01", "7"]],
  ["flag", ["True", "False", "None", "True", "True"]],
])("a column of %s gives values, or is refused row by row", async (solution, answers) => {
  const files = ["date", "moment", "score"].includes(solution)
    ? ["odd.parquet", "odd.arrow"]
    : ["odd.parquet"];
  for (const file of files) {
    const options = { path: hf(file), columns: { id: "id", solution }, onBadSample: "skip" } as const;
    const dataset = await huggingFace(options);
    const good = answers.filter((answer) => answer !== "None" && answer !== "missing");
    expect((await all(dataset)).map(({ target }) => target.answer)).toEqual(good);
    expect(dataset.skipped.count).toBe(answers.length - good.length);
    const ids = (await all(dataset)).map(({ id }) => id);
    expect(ids.slice(0, 2)).toEqual([
      "9007199254740993",
      solution === "list" ? "9007199254740993-2" : "9007199254740993-2",
    ]);
  }
});

test("empty files and pointers are said to be what they are", async () => {
  expect(await refusal(() => huggingFace({ path: hf("no-rows.parquet") }))).toMatch(/no column "solution"/);
  const columns = { solution: "date" };
  expect(await refusal(() => huggingFace({ path: hf("no-rows.parquet"), columns }))).toMatch(
    /^invalid-data: .*its columns and 0 rows/,
  );
  const folder = await temporaryFolder();
  for (const name of ["a.parquet", "a.arrow"]) {
    const path = join(folder, name);
    await writeFile(path, "");
    expect(await refusal(() => huggingFace({ path }))).toMatch(/^invalid-data: .*empty/);
    await writeFile(path, "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n");
    expect(await refusal(() => huggingFace({ path }))).toMatch(
      /^invalid-data: .*Git LFS pointer.*git lfs pull/,
    );
  }
});
