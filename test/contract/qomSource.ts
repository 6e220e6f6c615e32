/**
 * What every QomSource promises, whatever stands behind it. It is given a machine with
 * `/objects/io0` (an iothread) and `/machine/peripheral/rng0` (a device with links).
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { QomError } from "../../src/errors.ts";
import type { QomSource } from "../../src/qom/source.ts";
import { parseType } from "../../src/qom/types.ts";

export interface SourceUnderTest {
	readonly source: QomSource;
	close(): Promise<void>;
}

async function refusalOf(asked: Promise<unknown>): Promise<string> {
	const error = await asked.then(
		() => undefined,
		(reason: unknown) => reason,
	);
	expect(error).toBeInstanceOf(QomError);
	return (error as QomError).refusal;
}

export function qomSourceContract(
	name: string,
	start: () => Promise<SourceUnderTest>,
): void {
	describe(`${name} keeps the contract of a source`, () => {
		let source: QomSource;
		let close: () => Promise<void> = async () => {};

		beforeAll(async () => {
			const started = await start();
			source = started.source;
			close = () => started.close();
		});

		afterAll(() => close());

		const typeIn = async (path: string, property: string) =>
			(await source.list(path)).find((info) => info.name === property)?.type;

		it("lists children, links and values by their types, each name once", async () => {
			expect(await typeIn("/", "objects")).toBe("child<container>");
			expect(await typeIn("/objects", "io0")).toBe("child<iothread>");
			expect(
				parseType((await typeIn("/machine/peripheral/rng0", "rng")) ?? "").kind,
			).toBe("link");
			const names = (await source.list("/objects/io0")).map(({ name }) => name);
			expect(names).toContain("poll-max-ns");
			expect(new Set(names).size).toBe(names.length);
		});

		it("refuses to list what is not there", async () => {
			expect(await refusalOf(source.list("/objects/nosuch"))).toBe(
				"no such object",
			);
		});

		it("gives several objects at once, and for one that is gone its error", async () => {
			const found = await source.contents([
				"/objects/io0",
				"/objects/nosuch",
				"/objects",
			]);
			expect([...found.keys()].sort()).toEqual([
				"/objects",
				"/objects/io0",
				"/objects/nosuch",
			]);
			expect(found.get("/objects/nosuch")).toMatchObject({
				refusal: "no such object",
				path: "/objects/nosuch",
			});
			expect(found.get("/objects/io0")).toMatchObject({
				properties: await source.list("/objects/io0"),
			});
		});

		it("gives with an object the values that it gives one by one, or none", async () => {
			const object = (await source.contents(["/objects/io0"])).get(
				"/objects/io0",
			);
			if (!object || object instanceof QomError) throw object;
			if (!source.givesValues) return expect(object.values.size).toBe(0);
			expect(object.values.size).toBeGreaterThan(0);
			for (const [property, value] of object.values)
				expect([property, await source.get("/objects/io0", property)]).toEqual([
					property,
					value,
				]);
			return undefined;
		});

		it("reads a value, and of a link the path that it leads to", async () => {
			expect(await source.get("/objects/io0", "type")).toBe("iothread");
			const target = await source.get("/machine/peripheral/rng0", "rng");
			expect(target).toMatch(/^\//);
			expect(await source.get(target as string, "type")).toMatch(/^rng-/);
		});

		it.each([
			["/objects/nosuch", "type", "no such object"],
			["/objects/io0", "nosuch", "no such property"],
			["/objects/io0", "constructor", "no such property"],
		])("refuses to read %s.%s: %s", async (path, property, refusal) => {
			expect(await refusalOf(source.get(path, property))).toBe(refusal);
		});

		it("sets a value, and reads what it has set, unless nothing can be set", async () => {
			const setting = source.set("/objects/io0", "poll-max-ns", 4711);
			if (!source.isWritable)
				return expect(await refusalOf(setting)).toBe("not writable");
			await setting;
			expect(await source.get("/objects/io0", "poll-max-ns")).toBe(4711);
			return undefined;
		});

		it.each([
			["type", "x", "not writable"],
			["nosuch", 1, "no such property"],
			["poll-max-ns", "many", "invalid"],
		])(
			"refuses to set %s to %o, and changes nothing",
			async (property, value, refusal) => {
				if (!source.isWritable) return;
				const before = await source.get("/objects/io0", "poll-max-ns");
				expect(
					await refusalOf(source.set("/objects/io0", property, value)),
				).toBe(refusal);
				expect(await source.get("/objects/io0", "poll-max-ns")).toBe(before);
			},
		);

		it("tells the kind that a refused value should have had", async () => {
			if (!source.isWritable) return;
			const refused = source.set("/objects/io0", "poll-max-ns", true);
			await expect(refused).rejects.toMatchObject({ expected: "integer" });
		});

		it("knows the tree of types: each but the first has a parent that is there", async () => {
			const types = await source.types();
			const names = new Set(types.map((type) => type.name));
			expect(names).toContain("iothread");
			expect(types.find((type) => type.name === "object")?.parent).toBe(
				undefined,
			);
			for (const { parent } of types)
				if (parent !== undefined) expect(names).toContain(parent);
		});

		it("knows what is derived from a type, and that nothing is from one that is not there", async () => {
			const devices = (await source.types("device")).map((type) => type.name);
			expect(devices).toContain("virtio-rng-pci");
			expect(devices).not.toContain("iothread");
			expect(await source.types("nosuch")).toEqual([]);
		});

		it("describes the properties of a type that is in use", async () => {
			const { properties } = await source.describe("virtio-rng-pci");
			expect(properties.get("max-bytes")).toMatchObject({ type: "uint64" });
			expect(properties.get("nosuch")).toBe(undefined);
		});
	});
}
