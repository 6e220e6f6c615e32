/**
 * `npm run bench:page -- FILE.html`: how long the page of a machine takes to open, to answer a key stroke
 * of a search, and to draw a frame while it is scrolled, in Debian's Chromium.
 */
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { chromium, type Page } from "playwright-core";
import { median } from "./bench/median.ts";

const rounds = 7;
const searched = "virtio mac 52:54";

const file = process.argv[2];
if (file === undefined) throw new Error("give a file of 'qomfs report'");

const browser = await chromium.launch({
	executablePath: "/usr/bin/chromium",
	args: [
		...["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"],
		...["--disable-background-networking", "--disable-component-update"],
		"--disable-sync",
	],
});
const times = { open: [], key: [], frame: [] } as Record<
	"open" | "key" | "frame",
	number[]
>;
for (let round = 0; round < rounds; round++) {
	const page = await browser.newPage();
	const startMs = performance.now();
	await page.goto(pathToFileURL(resolve(file)).href);
	await page.getByRole("tree").waitFor();
	times.open.push(performance.now() - startMs);
	times.key.push(...(await keyTimes(page)));
	times.frame.push(...(await frameTimes(page)));
	await page.close();
}
await browser.close();
for (const [name, values] of Object.entries(times)) {
	const sorted = values.toSorted((a, b) => a - b);
	const late = sorted[Math.floor(sorted.length * 0.95)] ?? 0;
	console.log(
		`${name}: median ${median(values).toFixed(0)} ms, 95 % within ${late.toFixed(0)} ms`,
	);
}

/** From the change of the field until the next frame was drawn. */
function keyTimes(page: Page): Promise<number[]> {
	return page.evaluate(`(async () => {
		const field = document.querySelector("input[type=search]");
		const times = [];
		for (let length = 1; length <= ${searched.length}; length++) {
			field.value = ${JSON.stringify(searched)}.slice(0, length);
			const startMs = performance.now();
			field.dispatchEvent(new Event("input", { bubbles: true }));
			await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
			times.push(performance.now() - startMs);
		}
		return times;
	})()`);
}

/** Between frames while the list of what was found is scrolled. */
function frameTimes(page: Page): Promise<number[]> {
	return page.evaluate(`(async () => {
		const field = document.querySelector("input[type=search]");
		field.value = "e";
		field.dispatchEvent(new Event("input", { bubbles: true }));
		const frame = () => new Promise(requestAnimationFrame);
		await frame();
		await frame();
		const list = document.querySelector("[role=listbox]");
		const times = [];
		let lastMs = await frame();
		for (let turn = 0; turn < 60; turn++) {
			list.scrollTop += 400;
			const nowMs = await frame();
			times.push(nowMs - lastMs);
			lastMs = nowMs;
		}
		return times;
	})()`);
}
