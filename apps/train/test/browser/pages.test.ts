import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { reportPage } from "../../src/pages/report.ts";
import { runFolderSink, writePages } from "../../src/run/folder.ts";
import { liveServer } from "../../src/run/live-server.ts";
import { exampleRun } from "../example-run.ts";
import { launchChromium } from "./chromium.ts";

let browser: Browser;
beforeAll(async () => {
  browser = await launchChromium();
});
afterAll(() => browser.close());

const looks = (["light", "dark"] as const).flatMap((colorScheme) =>
  [1200, 375].map((width) => ({ colorScheme, width })),
);

async function open(url: string, look: (typeof looks)[number]): Promise<{ page: Page; problems: string[] }> {
  const context = await browser.newContext({
    viewport: { width: look.width, height: 900 },
    colorScheme: look.colorScheme,
  });
  const page = await context.newPage();
  const problems: string[] = [];
  page.on("pageerror", (error) => problems.push(error.message));
  page.on("console", (message) => message.type() === "error" && problems.push(message.text()));
  page.on("request", (request) => {
    if (!request.url().startsWith(new URL(url).origin) && !/^(data|file):/.test(request.url()))
      problems.push(request.url());
  });
  await page.goto(url);
  return { page, problems };
}

test.each(looks)(
  "the report fits a $colorScheme page of $width px and asks nobody for anything",
  async (look) => {
    const path = join(mkdtempSync(join(tmpdir(), "vlmr1-report-")), "report.html");
    writeFileSync(path, reportPage(exampleRun));
    const { page, problems } = await open(pathToFileURL(path).href, look);
    expect(await page.title()).toBe("nano learns to point");
    expect(await page.locator("figure.chart").count()).toBeGreaterThan(2);
    expect(await page.locator("figure.picture svg image").first().isVisible()).toBe(true);
    expect(await page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")).toBe(true);
    const contrast = (await page.evaluate(
      "[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]",
    )) as [string, string];
    const brightness = contrast.map((color) => Math.max(...(color.match(/\d+/g) ?? []).map(Number)));
    expect(Math.abs((brightness[0] as number) - (brightness[1] as number))).toBeGreaterThan(150);
    expect(problems).toEqual([]);
    await page.context().close();
  },
);

test.each(looks)(
  "the page of completions can be searched and filtered: $colorScheme, $width px",
  async (look) => {
    const folder = mkdtempSync(join(tmpdir(), "vlmr1-completions-"));
    const sink = runFolderSink(folder);
    for (const event of exampleRun) await sink.write(event);
    const { completions } = writePages(folder);
    const { page, problems } = await open(pathToFileURL(completions as string).href, look);
    const rows = page.locator("#rows tr");
    expect(await rows.count()).toBe(4);
    expect(
      await page.evaluate("[...document.images, ...document.querySelectorAll('svg image')].length"),
    ).toBe(4);
    await page.fill("input[name=text]", "SECOND STAR");
    expect(await rows.count()).toBe(2);
    await page.fill("input[name=low]", "0.7");
    expect(await rows.count()).toBe(1);
    expect(await page.locator("#count").innerText()).toContain("1 of 4 completions, mean reward 0.750");
    await page.fill("input[name=text]", "no such text");
    expect(await rows.count()).toBe(0);
    expect(await page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")).toBe(true);
    expect(problems).toEqual([]);
    await page.context().close();
  },
);

test("the live page follows a run and says when the run has gone", async () => {
  const server = await liveServer(0);
  await server.write(exampleRun[0]!);
  const { page, problems } = await open(server.url, { colorScheme: "light", width: 1200 });
  expect(await page.locator("#progress").innerText()).toContain("Waiting for the first step");
  for (const event of exampleRun.slice(1)) await server.write(event);
  await page.waitForSelector("#curves figure.chart");
  await page.waitForSelector("#rollout figure.picture");
  expect(await page.locator("#progress").innerText()).toContain("done");
  expect(problems).toEqual([]);
  await server.close();
  await page.waitForFunction("document.getElementById('connection').textContent.includes('not answering')");
  await page.context().close();
});
