/** Snapshots as text: what is written is read again, and what is damaged is refused. */
import { readFileSync } from "node:fs";
import { Ajv2020 } from "ajv/dist/2020.js";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { QomError, SnapshotError } from "../../src/errors.ts";
import {
	formatJson,
	type Json,
	type JsonObject,
	parseJson,
} from "../../src/json.ts";
import { RequestQueue } from "../../src/qmp/requestQueue.ts";
import { LiveSource } from "../../src/qom/live.ts";
import { readSnapshot } from "../../src/qom/snapshot/snapshot.ts";
import { SnapshotSource } from "../../src/qom/snapshot/source.ts";
import {
	type SnapshotOptions,
	takeSnapshot,
} from "../../src/qom/snapshot/take.ts";
import { walk } from "../../src/qom/walk.ts";
import { fakeObjects } from "../support/fakeObjects.ts";
import { type FakeObjects, FakeQmp } from "../support/fakeQmp.ts";
import { FakeMachine } from "../support/tools.ts";

async function fakeSource(
	objects: FakeObjects = fakeObjects,
	hasListGet = true,
): Promise<LiveSource> {
	const qmp = new FakeQmp(objects, hasListGet);
	const source = new LiveSource(new RequestQueue(qmp));
	await source.probe(qmp);
	return source;
}

async function textOf(
	objects?: FakeObjects,
	options?: SnapshotOptions,
): Promise<string> {
	const source = await fakeSource(objects);
	return (await Array.fromAsync(takeSnapshot(source, options))).join("");
}

const withSecret: FakeObjects = {
	...fakeObjects,
	"/objects": [
		...(fakeObjects["/objects"] ?? []),
		["sec0", "child<secret>", "/objects/sec0"],
	],
	"/objects/sec0": [
		["type", "string", "secret"],
		["data", "string", "hello"],
	],
};

const schema = new Ajv2020({ allowUnionTypes: true }).compile(
	JSON.parse(
		readFileSync(
			new URL("../../docs/snapshot.schema.json", import.meta.url),
			"utf8",
		),
	),
);

describe("a snapshot", () => {
	it("is as the schema in the package says, described or not", async () => {
		for (const options of [{}, { describes: true }]) {
			const document = JSON.parse(await textOf(withSecret, options));
			expect([schema(document), schema.errors]).toEqual([true, null]);
			expect("descriptions" in document).toBe("describes" in options);
		}
		expect(schema({ format: "qomfs-snapshot", version: 1 })).toBe(false);
	});

	it("has one line for each object, a parent before its children", async () => {
		const text = await textOf();
		const lines = text.split("\n").filter((line) => /^\{"path"/.test(line));
		const paths = lines.map((line) => JSON.parse(line.replace(/,$/, "")).path);
		expect(paths.toSorted()).toEqual(Object.keys(fakeObjects).toSorted());
		for (const path of paths.slice(1))
			expect(paths.indexOf(path)).toBeGreaterThan(
				paths.indexOf(
					path.replace(/(?<=.)\/[^/]*$/, "").replace(/^\/[^/]*$/, "/"),
				) - 1,
			);
		expect(paths[0]).toBe("/");
	});

	it("is the same from a QEMU that gives values one by one", async () => {
		const texts = await Promise.all(
			[true, false].map(async (hasListGet) => {
				const source = await fakeSource(withSecret, hasListGet);
				const pieces = await Array.fromAsync(takeSnapshot(source));
				return pieces.join("").replace(/"time":"[^"]*"/, "");
			}),
		);
		expect(texts[0]).toBe(texts[1]);
	});

	it("tells how far it is, and that it is done", async () => {
		for (const hasListGet of [true, false]) {
			const seen: { done: number; total: number }[] = [];
			const source = await fakeSource(fakeObjects, hasListGet);
			await Array.fromAsync(
				takeSnapshot(source, { onProgress: (each) => seen.push(each) }),
			);
			expect(seen).toHaveLength(Object.keys(fakeObjects).length);
			expect(seen.every(({ done, total }) => done <= total)).toBe(true);
			expect(seen.at(-1)?.done).toBe(seen.at(-1)?.total);
		}
	});

	it("leaves secrets out, unless they are wanted", async () => {
		const document = readSnapshot(await textOf(withSecret));
		const secret = document.objects.get("/objects/sec0")?.properties.data;
		expect(secret).toEqual({ type: "string", value: null, redacted: true });
		await expect(
			new SnapshotSource(document).get("/objects/sec0", "data"),
		).rejects.toMatchObject({ refusal: "not readable" });
		const whole = readSnapshot(await textOf(withSecret, { withSecrets: true }));
		expect(whole.objects.get("/objects/sec0")?.properties.data).toEqual({
			type: "string",
			value: "hello",
		});
	});

	it("gives every value back, exactly", async () => {
		const json = fc.oneof(
			fc.jsonValue(),
			fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n }),
			fc.constantFrom("__proto__", "\u0000\u{1f600}", "constructor"),
		);
		await fc.assert(
			fc.asyncProperty(
				fc.uniqueArray(fc.tuple(fc.string({ minLength: 1 }), json), {
					selector: ([name]) => name,
					maxLength: 8,
				}),
				async (properties) => {
					const own = properties.filter(([name]) => name !== "type");
					const values = own.map(
						([name, value]) =>
							[name, "any", parseJson(formatJson(value as never))] as const,
					);
					const text = await textOf({
						"/": [["type", "string", "container"], ...values],
					});
					const source = new SnapshotSource(readSnapshot(text));
					for (const [name, , value] of values)
						expect(formatJson(await source.get("/", name))).toBe(
							formatJson(value),
						);
				},
			),
			{ numRuns: 100 },
		);
	});

	it("does not know a child that was gone before it was looked at", async () => {
		const text = await textOf();
		const document = JSON.parse(text);
		document.objects = document.objects.filter(
			({ path }: JsonObject) => path !== "/objects/io0",
		);
		const source = new SnapshotSource(readSnapshot(JSON.stringify(document)));
		const names = (await source.list("/objects")).map(({ name }) => name);
		expect(names).toEqual(["type", "rng"]);
		expect(await Array.fromAsync(walk(source, "/"))).toHaveLength(
			document.objects.length,
		);
	});

	it("leaves out what was in an object that was gone when its values were asked for", async () => {
		class Unplugged extends FakeMachine {
			override async get(path: string, property: string): Promise<Json> {
				if (path !== "/dev") return super.get(path, property);
				const desc = "Device '/dev' not found";
				throw new QomError("no such object", { path, property }, { desc });
			}
		}
		const type = ["type", "string", "container"] as const;
		const source = new Unplugged(
			{
				"/": [type, ["dev", "child<t>"]],
				"/dev": [type, ["n", "int", 1], ["bus", "child<t>"]],
				"/dev/bus": [type],
			},
			false,
		);
		const text = (await Array.fromAsync(takeSnapshot(source))).join("");
		expect([...readSnapshot(text).objects.keys()]).toEqual(["/"]);
	});

	it("resolves paths as QEMU does: through links, and partial ones", async () => {
		const source = new SnapshotSource(readSnapshot(await textOf()));
		const typeOf = (path: string) => source.get(path, "type");
		expect(await typeOf("/machine/peripheral/rng0/rng")).toBe("rng-builtin");
		expect(await typeOf("rng0/rng")).toBe("rng-builtin");
		expect(await typeOf("rng0")).toBe("virtio-rng-pci");
		expect(await typeOf("//machine/peripheral/")).toBe("container");
		await expect(typeOf("rng")).rejects.toThrow("Path 'rng' is ambiguous");
		await expect(typeOf("rng0/type")).rejects.toThrow("not found");
		await expect(typeOf("constructor")).rejects.toThrow("not found");
	});

	it("knows what implements an interface only if it was saved with it", async () => {
		const types = [
			{ name: "interface", abstract: true },
			{ name: "hot", parent: "interface", abstract: true },
		];
		const document = JSON.parse(await textOf());
		document.types.push(...types);
		const source = () =>
			new SnapshotSource(readSnapshot(JSON.stringify(document)));
		await expect(source().types("hot")).rejects.toThrow(/--describe/);
		document.interfaces = { hot: ["iothread"] };
		expect(await source().types("hot")).toMatchObject([{ name: "iothread" }]);
		expect(await source().types("nosuch")).toEqual([]);
	});
});

describe("a file that is no snapshot that can be read", () => {
	const damaged = async (change: (text: string) => string) => {
		const text = change(await textOf());
		try {
			readSnapshot(text);
		} catch (error) {
			expect(error).toBeInstanceOf(SnapshotError);
			return (error as Error).message;
		}
		throw new Error("it was read");
	};

	it.each<[string, (text: string) => string, RegExp]>([
		["another text", () => "hello", /^neither a monitor's socket nor/],
		["other JSON", () => "[1]", /^neither a monitor's socket nor/],
		["another document", () => '{"format":"x"}', /^neither/],
		[
			"a newer one",
			(text) => text.replace('"version":1', '"version":2'),
			/^snapshot of version 2; this qomfs reads version 1/,
		],
		[
			"one without a version",
			(text) => text.replace('"version":1', '"version":"1"'),
			/^damaged: version/,
		],
		[
			"one that was cut",
			(text) => text.slice(0, text.indexOf("/objects/io0")),
			/^damaged: it ends too early, in line 9, column \d+$/,
		],
		[
			"one with a wrong character",
			(text) =>
				text.replace('{"path":"/objects/io0"', '{"path";"/objects/io0"'),
			/^damaged: unexpected ";" in line \d+, column 8$/,
		],
		[
			"one whose object has no path",
			(text) => text.replace('{"path":"/objects/io0"', '{"p":"/objects/io0"'),
			/^damaged: objects\[\d\]\.path is not a string$/,
		],
		[
			"one whose property has no value",
			(text) => text.replace('"int","value"', '"int","v"'),
			/^damaged: property 'poll-max-ns' of objects\[\d\] \(\/objects\/io0\)/,
		],
		[
			"one whose property has no type",
			(text) => text.replace('"type":"int"', '"t":"int"'),
			/^damaged: the type of property 'poll-max-ns'/,
		],
		[
			"one with an object twice",
			(text) => text.replace('"path":"/objects/rng"', '"path":"/objects/io0"'),
			/^damaged: .*is not the only object of that path$/,
		],
		[
			"one without a root",
			(text) => text.replace('"path":"/"', '"path":"/x"'),
			/^damaged: objects is not with the object '\/' first$/,
		],
		[
			"one without any object",
			(text) => JSON.stringify({ ...JSON.parse(text), objects: [] }),
			/^damaged: objects is not with the object '\/' first$/,
		],
		[
			"one with an object but not its parent",
			(text) => text.replace('"path":"/objects"', '"path":"/x"'),
			/^damaged: objects\[\d\] \(\/objects\/\w+\) has no parent: no object \/objects stands before it$/,
		],
		[
			"one with an object before its parent",
			(text) => {
				const document = JSON.parse(text);
				const [root, ...others] = document.objects;
				document.objects = [root, ...others.toReversed()];
				return JSON.stringify(document);
			},
			/^damaged: objects\[1\] \(\/\S+\) has no parent: no object \/\S+ stands before it$/,
		],
		[
			"one without a time",
			(text) => text.replace('"time":"', '"time":"x'),
			/^damaged: time is not/,
		],
	])(
		"is refused, and the message says where: %s",
		async (_what, change, message) => {
			expect(await damaged(change)).toMatch(message);
		},
	);

	it("never ends in anything but a SnapshotError, wherever it is cut or changed", async () => {
		const text = await textOf(withSecret, { describes: true });
		const parts = fc.tuple(
			fc.nat(text.length),
			fc.nat(20),
			fc.constantFrom("", "0", "null", "{", '"', "[]", "\u0000"),
		);
		fc.assert(
			fc.property(parts, ([at, length, put]) => {
				const changed = text.slice(0, at) + put + text.slice(at + length);
				try {
					readSnapshot(changed);
				} catch (error) {
					expect(error).toBeInstanceOf(SnapshotError);
				}
			}),
			{ numRuns: 1000 },
		);
	});

	it("is no endless tree of types", async () => {
		const document = JSON.parse(await textOf());
		document.types.push({ name: "a", parent: "b" }, { name: "b", parent: "a" });
		const source = new SnapshotSource(readSnapshot(JSON.stringify(document)));
		expect(await source.types("a")).toHaveLength(2);
	});
});
