/** Memory, interrupts and pictures of a machine. */
import { spawnSync } from "node:child_process";
import { instance } from "@viz-js/viz";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Device, Topology } from "../../src/qom/topology/buses.ts";
import { topologyOf } from "../../src/qom/topology/buses.ts";
import { dotOf } from "../../src/qom/topology/dot.ts";
import { interruptsOf } from "../../src/qom/topology/interrupts.ts";
import { memoryMap, type Region } from "../../src/qom/topology/memory.ts";
import { survey } from "../../src/qom/topology/survey.ts";
import { type FakeDevices, FakeTopology } from "../support/fakeTopology.ts";

type Numbers = Record<string, number | bigint>;

/** A memory region in a container, which is a region, too. */
function region(
	container: string,
	values: Numbers,
): readonly ["memory-region", Record<string, string | number | bigint>] {
	return [
		"memory-region",
		{ container: container && `/m/${container}`, priority: 0, ...values },
	];
}

/** Each region and those in it: `NAME START+SIZE`, in hexadecimal. */
function shown({ path, start, size, regions }: Region): unknown {
	const text = `${path.replace(/^.m./, "")} ${start.toString(16)}+${size.toString(16)}`;
	return regions.length === 0 ? text : [text, ...regions.map(shown)];
}

const mapOf = async (devices: FakeDevices) =>
	memoryMap(new FakeTopology(devices));

describe("the memory map", () => {
	it("has the addresses of the whole space, and the regions by address", async () => {
		const spaces = await mapOf({
			"/m/system": region("", { addr: 0, size: 2n ** 64n - 1n }),
			"/m/high": region("system", { addr: 2n ** 63n, size: 2n ** 63n }),
			"/m/in": region("low", { addr: 0x20, size: 0x10 }),
			"/m/deep": region("in", { addr: 4, size: 1 }),
			"/m/low": region("system", { addr: 0x1000, size: 0x100 }),
			"/m/alone": region("", { addr: 0, size: 16 }),
		});
		expect(spaces.map(shown)).toEqual([
			[
				"system 0+10000000000000000",
				["low 1000+100", ["in 1020+10", "deep 1024+1"]],
				"high 8000000000000000+8000000000000000",
			],
		]);
	});

	it("tells what overlaps, and what is seen there first", async () => {
		const [space] = await mapOf({
			"/m/top": region("", { addr: 0, size: 0x1000 }),
			"/m/all": region("top", { addr: 0, size: 0x1000, priority: 0xffffffff }),
			"/m/a": region("top", { addr: 0, size: 0x10 }),
			"/m/b": region("top", { addr: 0xf, size: 0x10, priority: 1 }),
			"/m/c": region("top", { addr: 0x1f, size: 1 }),
			"/m/none": region("top", { addr: 5, size: 0 }),
		});
		const told = space?.regions.map(({ path, priority, overlaps }) => [
			...[path.slice(3), priority, overlaps.map((each) => each.slice(3))],
		]);
		expect(told).toEqual([
			["a", 0, ["all", "b"]],
			["all", -1, ["a", "b", "c"]],
			["none", 0, []],
			["b", 1, ["a", "all"]],
			["c", 0, ["all"]],
		]);
	});

	it("is none where containers go round in circles, or are not there", async () => {
		expect(
			await mapOf({
				"/m/self": region("self", { addr: 0, size: 1 }),
				"/m/a": region("b", { addr: 0, size: 1 }),
				"/m/b": region("a", { addr: 0, size: 1 }),
				"/m/lost": region("nosuch", { addr: 0, size: 1 }),
				"/m/top": region("", { addr: 0, size: 1 }),
			}),
		).toEqual([]);
	});

	it("takes numbers that are none for zero", async () => {
		const [space] = await mapOf({
			"/m/top": region("", { size: 1.5 }),
			"/m/odd": ["memory-region", { container: "/m/top", addr: "x" }],
		});
		expect(space && shown(space)).toEqual(["top 0+0", "odd 0+0"]);
	});
});

describe("a survey", () => {
	const devices: FakeDevices = {
		"/m/ram": region("", { addr: 0, size: 1 }),
		"/m/irq": ["irq"],
		"/m/uart": ["device", { "sysbus-irq[0]": "/m/irq" }],
	};

	it("looks into no memory region and no interrupt, and yet finds them", async () => {
		const source = new FakeTopology(devices);
		const found = await survey(source);
		expect([...found.keys()]).toEqual(["/m", "/m/ram", "/m/irq", "/m/uart"]);
		expect(found.get("/m/ram")).toMatchObject({ type: "memory-region" });
		expect(source.asked.flat()).toEqual(["/", "/m", "/m/uart"]);
	});

	it("looks into each object once, however much is asked of it", async () => {
		const source = new FakeTopology(devices);
		const objects = await survey(source, () => true);
		await topologyOf(source, objects);
		await memoryMap(source, objects);
		await interruptsOf(source, objects);
		expect(source.asked.flat().toSorted()).toEqual(
			["/", "/m", "/m/irq", "/m/ram", "/m/uart"].toSorted(),
		);
	});
});

describe("an interrupt", () => {
	it("leads from an output to an input, and nowhere if its link is odd", async () => {
		const link = (target: string) =>
			["sysbus-irq[0]", "link<irq>", target] as const;
		const { tree } = new FakeTopology({ "/m/a": ["device"] });
		const source = new FakeTopology({ "/m/a": ["device"] });
		const interrupts = async (target: string) => {
			const odd = { ...tree, "/m/a": [...(tree["/m/a"] ?? []), link(target)] };
			return interruptsOf(Object.assign(source, { tree: odd }));
		};
		expect(await interrupts("/m/pic/unnamed-gpio-in[4]")).toEqual([
			{
				...{ from: "/m/a", output: "sysbus-irq[0]" },
				...{ to: "/m/pic", input: "unnamed-gpio-in[4]" },
			},
		]);
		for (const target of ["", "m/pic/x", "/m/../x", "/m//x"])
			expect(await interrupts(target)).toEqual([]);
	});
});

describe("the picture", () => {
	const device = (path: string, type: string, id?: string): Device => ({
		...{ path, type, id, address: undefined, buses: [] },
	});

	/** Draws a bus and devices of these names, and reads the picture with another program. */
	async function drawn(names: readonly string[]): Promise<void> {
		const topology: Topology = {
			buses: [
				{
					...{ path: "/bus", name: names.join("\n"), type: "x", kind: "pci" },
					devices: names.map((name) => device(`/${name}`, name, name)),
				},
			],
			loose: names.map((name) => device(`/loose/${name}`, name)),
		};
		const svg = (await instance()).renderString(dotOf(topology), {
			format: "svg",
		});
		const program = `
import sys, xml.etree.ElementTree as tree
root = tree.fromstring(sys.stdin.buffer.read())
nodes = [e for e in root.iter() if e.get("class") == "node"]
wrong = [e.tag for e in root.iter() if e.tag.lower().endswith(("script", "foreignobject"))]
wrong += [k for e in root.iter() for k in e.keys() if k.startswith("on") or k == "href"]
print(len(nodes), wrong)
`;
		const read = spawnSync("python3", ["-c", program], {
			...{ input: svg, encoding: "utf8" },
		});
		expect(read.stderr).toBe("");
		expect(read.stdout).toBe(`${1 + 2 * new Set(names).size} []\n`);
	}

	it("is well-formed and without a script, whatever the names are", async () => {
		await drawn([
			...['"', '\\"', "\\", "\\\\", '"]; evil [label="x', "\\N\\G", "\\l"],
			...["<b>x</b>", "<script>alert(1)</script>", "]]>", "--><script/>"],
			...["&lt;", "&#0;", "&", "a\nb", "\r\n", "%s%n", "", "a:b:c", "{|}"],
			...["javascript:x", "\u202e", "\u{1f600}", "on click", "/*", "#", "//"],
		]);
	});

	it("is well-formed of any names of printable characters", async () => {
		await fc.assert(
			fc.asyncProperty(
				fc.uniqueArray(fc.string({ minLength: 1, maxLength: 12 }), {
					...{ minLength: 1, maxLength: 8 },
				}),
				drawn,
			),
			{ numRuns: 10 },
		);
	});
});
