/** The page in a real browser: `npm run test:browser`. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import {
	type Browser,
	type BrowserContextOptions,
	chromium,
	type Page,
} from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { smallMachine } from "../../tools/virtualMachine.ts";
import {
	lacksQemu,
	qomfsBin,
	run,
	startTestMachine,
	type TestMachine,
} from "../support/mounted.ts";
import { RawQmp } from "../support/rawQmp.ts";
import { WebServer } from "../support/webServer.ts";

const axe = new URL("../../node_modules/axe-core/axe.min.js", import.meta.url)
	.pathname;

let browser: Browser;
/** What the page has complained of. */
let complaints: string[] = [];

beforeAll(async () => {
	browser = await chromium.launch({
		executablePath: `/usr/bin/${process.env.QOMFS_BROWSER ?? "chromium"}`,
		args: [
			...["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"],
			...["--disable-background-networking", "--disable-component-update"],
			"--disable-sync",
		],
	});
});

afterAll(() => browser.close());

afterEach(() => {
	expect(complaints).toEqual([]);
	complaints = [];
});

async function open(
	address: string,
	options: BrowserContextOptions = {},
): Promise<Page> {
	const context = await browser.newContext({
		viewport: { width: 1200, height: 800 },
		...options,
	});
	const page = await context.newPage();
	page.on("console", (message) => complaints.push(message.text()));
	page.on("pageerror", (error) => complaints.push(error.message));
	await page.goto(address);
	await page.getByRole("tree").waitFor();
	return page;
}

const go = (page: Page, place: string) =>
	page.evaluate(`location.hash = ${JSON.stringify(place)}`);

const heading = (page: Page) => page.getByRole("heading", { level: 2 });

describe.skipIf(lacksQemu)("a report", () => {
	let vm: TestMachine;
	let directory: string;
	let address: string;

	const report = async (name: string, ...sources: string[]) => {
		const file = join(directory, name);
		const { status, stderr } = await run(process.execPath, [
			...[qomfsBin, "report", ...sources, "-o", file],
		]);
		expect([status, stderr]).toEqual([0, ""]);
		return pathToFileURL(file).href;
	};

	beforeAll(async () => {
		vm = await startTestMachine();
		directory = await mkdtemp(join(tmpdir(), "qomfs-page-"));
		address = await report("vm.html", vm.socket);
	});

	afterAll(async () => {
		await rm(directory, { recursive: true });
		await vm.stop();
	});

	it("folds and follows, and the way back leads back", async () => {
		const page = await open(address);
		const item = (name: string) =>
			page.getByRole("treeitem").filter({ hasText: name });
		await item("peripheral").first().click();
		await page.getByRole("tree").press("ArrowRight");
		await item("net0").click();
		await expect.poll(() => heading(page).textContent()).toContain("net0");
		await page.getByRole("link", { name: "/machine/q35/pcie.0" }).click();
		await expect.poll(() => heading(page).textContent()).toContain("pcie.0");
		expect(await item("pcie.0").first().getAttribute("aria-selected")).toBe(
			"true",
		);
		await page.goBack();
		await expect.poll(() => heading(page).textContent()).toContain("net0");
		await page.context().close();
	});

	it("is gone through by keys alone", async () => {
		const page = await open(address);
		const tree = page.getByRole("tree");
		await tree.focus();
		const keys = ["Home", "ArrowDown", "ArrowDown", "ArrowRight", "ArrowRight"];
		for (const key of keys) await tree.press(key);
		const active = () => tree.getAttribute("aria-activedescendant");
		const current = async () =>
			page.locator(`#${await active()}`).textContent();
		await tree.press("End");
		await tree.press("ArrowLeft");
		await tree.press("Home");
		expect(await current()).toContain("/");
		await page.keyboard.press("/");
		await page.keyboard.type("virtio mac 52:54");
		await expect
			.poll(() => page.getByRole("status").first().textContent())
			.toMatch(/^\d+ found$/);
		await page.keyboard.press("ArrowDown");
		await page.keyboard.press("Enter");
		await expect.poll(() => heading(page).textContent()).toContain("net0");
		await page.context().close();
	});

	it("finds names, values and types", async () => {
		const page = await open(address);
		const found = async (text: string) => {
			await page.getByRole("searchbox").fill(text);
			await page.getByRole("listbox").waitFor();
			return (await page.getByRole("option").allTextContents()).join("\n");
		};
		expect(await found("SER1")).toContain("/machine/peripheral/blk0.serial");
		expect(await found("iothread io0")).toContain("/objects/io0");
		expect(await found("18446744073709551615")).toContain("size");
		expect(await found("nosuchthing")).toBe("");
		await page.context().close();
	});

	it("shows integers with all digits, in hexadecimal, and as a size", async () => {
		const page = await open(address);
		await go(page, "#/machine/unattached/system[0]");
		const row = page.locator("tr[data-name=size]");
		await expect
			.poll(() => row.textContent())
			.toContain("18446744073709551615 0xffffffffffffffff");
		await go(page, "#/objects/mem0");
		await expect
			.poll(() => page.locator("tr[data-name=size]").textContent())
			.toContain("16777216 0x1000000, 16 MiB");
		await page.context().close();
	});

	it("marks what is not the default, and leaves only that when asked to", async () => {
		const page = await open(address);
		await go(page, "#/machine/peripheral/net0");
		const rows = page.locator("tbody tr");
		await expect.poll(() => rows.count()).toBeGreaterThan(40);
		const all = await rows.count();
		await page.getByRole("checkbox").check();
		await expect.poll(() => rows.count()).toBeLessThan(all / 2);
		expect(await page.locator("tr[data-name=addr]").textContent()).toContain(
			"not the default",
		);
		await page.context().close();
	});

	it("says so where an address is of no object", async () => {
		const page = await open(address);
		await go(page, "#/machine/nosuch");
		await expect
			.poll(() => page.getByRole("alert").textContent())
			.toContain("There is no object /machine/nosuch here.");
		await page.context().close();
	});

	it("zooms the picture of the buses, and follows its devices", async () => {
		const page = await open(address);
		await page.getByRole("link", { name: "Topology" }).click();
		const picture = page.locator(".canvas svg");
		await picture.waitFor();
		const width = async () => Number(await picture.getAttribute("width"));
		const before = await width();
		await page.getByRole("button", { name: "Larger" }).click();
		await expect.poll(width).toBeGreaterThan(before);
		await page.getByRole("link", { name: /00:03\.0 virtio-net-pci/ }).click();
		await expect.poll(() => heading(page).textContent()).toContain("net0");
		await page.context().close();
	});

	it("zooms into a region of the memory map, and out", async () => {
		const page = await open(address);
		await page.getByRole("link", { name: "Memory" }).click();
		const regions = page.getByRole("listitem");
		await regions.first().waitFor();
		await page
			.getByRole("button", { name: /^Zoom into/ })
			.first()
			.click();
		await expect
			.poll(() => page.locator(".memory .caption").textContent())
			.toContain("/machine/");
		await page.getByRole("button", { name: "Zoom out" }).click();
		await expect
			.poll(() => page.locator(".memory .caption").textContent())
			.toContain("All address spaces");
		await page.context().close();
	});

	it("shows what is different between two sources", async () => {
		const first = join(directory, "first.json");
		await run(process.execPath, [qomfsBin, "snapshot", vm.socket, "-o", first]);
		const qmp = await RawQmp.connect(vm.secondSocket);
		await qmp.execute("qom-set", {
			...{ path: "/objects/io0", property: "poll-max-ns", value: 77 },
		});
		qmp.close();
		const page = await open(await report("diff.html", first, vm.socket));
		await page.getByRole("link", { name: "Differences (1)" }).click();
		await expect
			.poll(() => page.locator(".differences tr").last().textContent())
			.toBe("poll-max-ns3276877");
		await page.context().close();
	});

	it("leaves hostile names and values text", async () => {
		const evil = "</script><img src=x onerror=alert(1)>\u202eabc";
		const text = (value: string) => ({ type: "string", value });
		const saved = join(directory, "evil.json");
		await writeFile(
			saved,
			JSON.stringify({
				...{ format: "qomfs-snapshot", version: 1, qemu: null, machine: evil },
				...{ time: "2026-11-27T00:00:00Z", types: [] },
				objects: [
					{
						...{ path: "/", type: "container" },
						properties: {
							type: text("container"),
							machine: { type: "child<x>", value: "/machine" },
						},
					},
					{
						...{ path: "/machine", type: evil },
						properties: {
							[evil]: text(evil),
							"100% #?&": text("odd"),
							long: text("y".repeat(1_000_000)),
						},
					},
				],
			}),
		);
		const page = await open(await report("evil.html", saved));
		await expect.poll(() => page.locator("tbody tr").count()).toBe(3);
		expect(await page.locator("img").count()).toBe(0);
		expect(await page.locator("tr[data-name=long]").textContent()).toContain(
			"999700 more characters",
		);
		await page.context().close();
	});

	it.for([
		["light", 360],
		["dark", 360],
		["light", 800],
		["dark", 1600],
	] as const)(
		"has nothing that axe finds serious, %s at %i pixels",
		async ([colorScheme, width]) => {
			const page = await open(address, {
				...{ colorScheme, bypassCSP: true },
				viewport: { width, height: 800 },
			});
			await page.addScriptTag({ path: axe });
			for (const place of [
				"#/machine/peripheral/net0",
				"#topology",
				"#memory",
			]) {
				await go(page, place);
				await page
					.locator(".object, .picture svg, .memory .row")
					.first()
					.waitFor();
				const violations = await page.evaluate(async () => {
					// biome-ignore lint/suspicious/noExplicitAny: a script of the page
					const { violations } = await (globalThis as any).axe.run();
					return violations.map(
						({ id, impact }: { id: string; impact: string }) =>
							`${impact} ${id}`,
					);
				});
				expect(violations).toEqual([]);
				const overflow = await page.evaluate(
					"document.documentElement.scrollWidth - innerWidth",
				);
				expect(overflow).toBeLessThanOrEqual(0);
			}
			await page.context().close();
		},
	);
});

describe.skipIf(lacksQemu)("a live page", () => {
	let vm: TestMachine;
	let qmp: RawQmp;
	let web: WebServer;
	let page: Page;

	beforeAll(async () => {
		vm = await startTestMachine([...smallMachine, "-S"]);
		qmp = await RawQmp.connect(vm.secondSocket);
		web = await WebServer.start(vm.socket, "--write");
		page = await open(web.address.href);
	});

	afterAll(async () => {
		await page.context().close();
		await web.stop();
		qmp.close();
		await vm.stop();
	});

	const row = (name: string) => page.locator(`tr[data-name=${name}]`);

	it("hides its token, and can be loaded again", async () => {
		expect(page.url()).toBe(`${web.address.origin}/`);
		await page.reload();
		await page.getByRole("tree").waitFor();
	});

	it("shows a value that changes, and marks it", async () => {
		await go(page, "#/objects/io0");
		await expect
			.poll(() => row("poll-max-ns").textContent())
			.toContain("32768");
		// From the first look on, it is known what has changed.
		await page.waitForResponse(/\/live/);
		await expect
			.poll(async () => {
				await qmp.execute("qom-set", {
					...{ path: "/objects/io0", property: "poll-max-ns" },
					value: 1000 + Math.round(Math.random() * 1000),
				});
				return row("poll-max-ns").getAttribute("class");
			})
			.toBe("flash");
	});

	it("refuses a value with QEMU's reason, and takes another one", async () => {
		await page.getByRole("button", { name: "Change poll-max-ns" }).click();
		const field = page.getByRole("textbox", {
			name: "New value of poll-max-ns",
		});
		await field.fill("lots");
		await field.press("Enter");
		await expect
			.poll(() => page.getByRole("alert").textContent())
			.toContain("expected: integer");
		await field.fill("0x1000");
		await field.press("Enter");
		await expect.poll(() => row("poll-max-ns").textContent()).toContain("4096");
		expect(
			await qmp.execute("qom-get", {
				...{ path: "/objects/io0", property: "poll-max-ns" },
			}),
		).toBe(4096);
	});

	it("shows events as they come, and needs no object for that", async () => {
		await page.goto(`${web.address.origin}/#events`);
		await page.reload();
		await page.getByRole("log").waitFor();
		await qmp.execute("cont");
		await qmp.execute("stop");
		await expect
			.poll(() => page.getByRole("log").textContent())
			.toMatch(/STOP.*RESUME/);
		await go(page, "#/objects");
	});

	it("offers to load the machine again when objects come", async () => {
		await qmp.execute("object-add", { "qom-type": "iothread", id: "io5" });
		const again = page.getByRole("button", { name: "Load it again" });
		await again.click();
		await expect
			.poll(() => page.getByRole("treeitem").allTextContents())
			.toContainEqual(expect.stringContaining("objects"));
		await go(page, "#/objects/io5");
		await expect.poll(() => heading(page).textContent()).toContain("io5");
	});

	it("says that the machine is gone", async () => {
		await qmp.ask("quit").catch(() => {});
		await expect
			.poll(() => page.getByRole("status").first().textContent())
			.toContain("Not connected");
	});
});

describe("the script of the page", () => {
	it("is at most 300 kB with its style", async () => {
		const directory = new URL("../../dist/page/client/", import.meta.url);
		const sizes = await Promise.all(
			["page.js", "page.css"].map(
				async (name) => (await readFile(new URL(name, directory))).length,
			),
		);
		expect(sizes.reduce((sum, size) => sum + size)).toBeLessThan(300_000);
	});
});
