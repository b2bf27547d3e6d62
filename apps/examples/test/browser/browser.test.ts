import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Browser, Page } from "playwright-core";
import { bundleForBrowser } from "../bundle.ts";
import { launchChromium } from "../../../train/test/browser/chromium.ts";

// The same calls, in a browser, in a worker and here, give the same numbers.

const program = `
  import { createRng, thousand } from "@vlmr1/core";
  import { bootstrapMean, boxIou, evaluateCoco } from "@vlmr1/eval";
  import { formatReward, iouReward, mapReward, weightedSum } from "@vlmr1/rewards";

  export async function run() {
    const images = [{ width: 640, height: 480 }];
    const sample = { id: "1", prompt: "the red key", images, target: { box: [64, 96, 192, 192] } };
    const score = weightedSum({ iou: iouReward({ frame: thousand }), format: [0.5, formatReward()] });
    const completion = '<think> left </think> <answer> {"bbox_2d": [100, 220, 300, 400]} </answer>';
    return {
      scored: await score({ completion, sample }),
      iou: boxIou([0, 0, 10, 10], [5, 5, 15, 15]),
      draws: [createRng(7).uniform(), createRng(7).normal()],
      mean: bootstrapMean([0, 1, 1, 0, 1], { rng: createRng(1) }),
    };
  }
`;

let browser: Browser;
let page: Page;
let code: string;
beforeAll(async () => {
  const folder = import.meta.dirname;
  ({ code } = await bundleForBrowser(program, { folder, conditions: ["@vlmr1/source"] }));
  browser = await launchChromium();
  page = await browser.newPage();
  await page.goto(await serve());
});
afterAll(() => browser?.close());

test("a browser scores as Node does", async () => {
  const here = (await import(`data:text/javascript,${encodeURIComponent(code)}`)) as {
    run(): Promise<unknown>;
  };
  expect(await page.evaluate("import('/bundle.js').then(({ run }) => run())")).toEqual(await here.run());
});

test("so does a web worker", async () => {
  const inWorker = `new Promise((resolve, reject) => {
    const source = "import { run } from '" + location.origin + "/bundle.js'; run().then(postMessage)";
    const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
    const worker = new Worker(url, { type: "module" });
    worker.onmessage = ({ data }) => resolve(data);
    worker.onerror = ({ message }) => reject(new Error(message));
  })`;
  const here = (await import(`data:text/javascript,${encodeURIComponent(code)}`)) as {
    run(): Promise<unknown>;
  };
  expect(await page.evaluate(inWorker)).toEqual(await here.run());
});

async function serve(): Promise<string> {
  const server = createServer((request, response) => {
    const isBundle = request.url === "/bundle.js";
    response.setHeader("content-type", isBundle ? "text/javascript" : "text/html");
    response.end(isBundle ? code : "<!doctype html><title>bundle</title>");
  });
  server.unref();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}
