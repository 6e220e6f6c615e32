/** `qomfs report`: one file that needs nothing else, with all that the machine has, and nothing that could act. */
import { createHash } from "node:crypto";
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { PageData } from "../../src/page/data.ts";
import {
	type Finished,
	lacksQemu,
	qomfsBin,
	run,
	startTestMachine,
	type TestMachine,
} from "../support/mounted.ts";
import { RawQmp } from "../support/rawQmp.ts";
import { expectRefusal } from "../support/tools.ts";

const report = (...args: string[]): Promise<Finished> =>
	run(process.execPath, [qomfsBin, "report", ...args], {
		env: { ...process.env, QMP_SOCKET: "" },
	});

/** The data, and what stands around them. */
function partsOf(page: string): { data: PageData; rest: string } {
	const [before = "", text = "", after = ""] = page.split(
		/<script type="application\/json" id="data">(.*?)<\/script>/s,
	);
	return { data: JSON.parse(text), rest: before + after };
}

/** The text of a property. */
function valueIn({ machine }: PageData, path: string, name: string) {
	const [, , list = []] = machine.objects.find(([each]) => each === path) ?? [];
	for (let at = 0; at < list.length; at += 4)
		if (machine.words[list[at] as number] === name) return list[at + 3];
	return undefined;
}

describe.skipIf(lacksQemu)("qomfs report", () => {
	let vm: TestMachine;
	let directory: string;
	let page: string;

	beforeAll(async () => {
		vm = await startTestMachine();
		directory = await mkdtemp(join(tmpdir(), "qomfs-report-"));
		const file = join(directory, "vm.html");
		expect(await report(vm.socket, "-o", file)).toMatchObject({
			...{ status: 0, stdout: "", stderr: "" },
		});
		page = await readFile(file, "utf8");
	});

	afterAll(async () => {
		await rm(directory, { recursive: true });
		await vm.stop();
	});

	it("holds every object and value of the machine, with all digits", async () => {
		const { data } = partsOf(page);
		const other = await RawQmp.connect(vm.secondSocket);
		try {
			const count = async (path: string): Promise<number> => {
				const entries = await other.execute("qom-list", { path });
				let sum = 1;
				for (const { name, type } of entries)
					if (type.startsWith("child<"))
						sum += await count(path === "/" ? `/${name}` : `${path}/${name}`);
				return sum;
			};
			expect(data.machine.objects).toHaveLength(await count("/"));
			const mac = { path: "/machine/peripheral/net0", property: "mac" };
			expect(valueIn(data, mac.path, "mac")).toBe(
				await other.execute("qom-get", mac),
			);
		} finally {
			other.close();
		}
		expect(valueIn(data, "/machine/unattached/system[0]", "size")).toBe(
			"18446744073709551615",
		);
		const described = data.machine.descriptions["virtio-net-pci"];
		expect(described?.["disable-legacy"]).toEqual([expect.any(String), "auto"]);
		expect(data.machine.picture).toContain("<svg");
		expect(data.machine.memory.length).toBeGreaterThan(20);
	});

	it("holds no secret", () => {
		const { data } = partsOf(page);
		expect(valueIn(data, "/objects/sec0", "data")).toBe("");
		expect(page.includes('"hello"')).toBe(false);
	});

	it("loads nothing, and runs nothing but its own script", () => {
		const { rest } = partsOf(page);
		const script = /<script>(.*)<\/script>/s.exec(rest)?.[1] ?? "";
		const style = /<style>(.*?)<\/style>/s.exec(rest)?.[1] ?? "";
		const hash = (text: string) =>
			`'sha256-${createHash("sha256").update(text).digest("base64")}'`;
		const policy = /Content-Security-Policy" content="([^"]+)"/.exec(rest)?.[1];
		expect(policy).toContain("default-src 'none'");
		expect(policy).toContain(`script-src ${hash(script)};`);
		expect(policy).toContain(`style-src ${hash(style)};`);
		expect(policy).not.toContain("unsafe");
		expect(rest.replace(script, "")).not.toMatch(/(src|href)="(?!data:)/);
	});

	it("is at most 300 kB beside its data", () => {
		expect(partsOf(page).rest.length).toBeLessThan(300_000);
	});

	it("is the same of a snapshot, and is compressed by its name", async () => {
		const saved = join(directory, "vm.json");
		await run(process.execPath, [
			...[qomfsBin, "snapshot", vm.socket, "--describe", "-o", saved],
		]);
		const file = join(directory, "saved.html.gz");
		expect(await report(saved, "-o", file)).toMatchObject({ status: 0 });
		const { data } = partsOf(gunzipSync(await readFile(file)).toString());
		const live = partsOf(page).data;
		expect(data.machine.objects.length).toBe(live.machine.objects.length);
		expect(data.machine.memory).toEqual(live.machine.memory);
		expect(data.machine.picture).toBe(live.machine.picture);
	});

	it("shows the second of two sources, and how it differs from the first", async () => {
		const first = join(directory, "first.json");
		await run(process.execPath, [qomfsBin, "snapshot", vm.socket, "-o", first]);
		const other = await RawQmp.connect(vm.secondSocket);
		await other.execute("qom-set", {
			...{ path: "/objects/io0", property: "poll-max-ns", value: 77 },
		});
		other.close();
		const { stdout, status } = await report(first, vm.socket);
		expect(status).toBe(0);
		const { data } = partsOf(stdout);
		expect(data.before?.source).toBe(first);
		expect(data.differences).toContainEqual({
			...{ change: "changed", path: "/objects/io0", type: "iothread" },
			properties: [["poll-max-ns", "32768", "77"]],
		});
		expect(valueIn(data, "/objects/io0", "poll-max-ns")).toBe("77");
	});

	it("leaves hostile names and values text", async () => {
		const evil = "</script><script>alert(1)</script><!-- \u202e\u2028";
		const property = (type: string, value: unknown) => ({ type, value });
		const objects: object[] = [
			{
				path: "/",
				type: "container",
				properties: {
					type: property("string", "container"),
					machine: property("child<x>", "/machine"),
				},
			},
			{
				path: "/machine",
				type: evil,
				properties: {
					type: property("string", evil),
					[evil]: property(evil, evil),
					__proto__x: property("string", "y".repeat(1_000_000)),
					constructor: property("int", 1),
				},
			},
		];
		const saved = join(directory, "evil.json");
		await writeFile(
			saved,
			JSON.stringify({
				...{ format: "qomfs-snapshot", version: 1, qemu: null, machine: evil },
				...{ time: "2026-11-27T00:00:00Z", types: [], objects },
			}),
		);
		const { stdout, status, stderr } = await report(saved);
		expect([status, stderr]).toEqual([0, ""]);
		expect(stdout.match(/<\/script>/g)).toHaveLength(2);
		expect(stdout.includes("<script>alert")).toBe(false);
		expect(stdout.includes("\u2028")).toBe(false);
		const { data } = partsOf(stdout);
		expect(valueIn(data, "/machine", evil)).toBe(evil);
	});

	it("is written as a whole or not at all, and not on a terminal", async () => {
		const file = join(directory, "none.html");
		expectRefusal(await report("/nosuch.sock", "-o", file), 3, /nosuch/);
		await expect(stat(file)).rejects.toThrow();
		expectRefusal(
			await report(vm.socket, "-o", "/nosuch/x.html"),
			1,
			/cannot write .*no such directory/,
		);
		expectRefusal(await report(), 2, /missing/);
		expectRefusal(
			await report(vm.socket, "-o", ""),
			2,
			/option '-o, --output <file>' argument '' is invalid/,
		);
	});
});
