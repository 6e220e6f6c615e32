/** The cache over a source that gives whole objects (QEMU >= 10.1): how few commands it sends. */
import { beforeEach, describe, expect, it } from "vitest";
import { CachedSource } from "../../src/cache/cachedSource.ts";
import { CommandError, QomError } from "../../src/errors.ts";
import type { Json } from "../../src/json.ts";
import { joinPath, splitPath } from "../../src/qom/path.ts";
import type {
	ObjectContents,
	PropertyInfo,
	QomSource,
	TypeDescription,
	TypeInfo,
} from "../../src/qom/source.ts";

function refused(refusal: "no such object" | "not readable"): QomError {
	const cause = new CommandError("qom-list-get", "DeviceNotFound", refusal);
	return new QomError(refusal, { path: "/" }, cause);
}

/** A tree in memory. Every value tells when it was read; answers wait while `held` is set. */
class TreeSource implements QomSource {
	readonly isWritable = true;
	readonly givesValues = true;
	/** Object -> names of its values, its children left out. */
	readonly objects = new Map<string, string[]>([["/", []]]);
	/** `OBJECT/PROPERTY` of what cannot be read. */
	readonly unreadable = new Set<string>();
	readonly bulks: string[][] = [];
	readonly gets: string[] = [];
	/** Answers that wait to be given. */
	held: (() => void)[] | undefined;
	#reads = 0;

	add(path: string, ...values: string[]): void {
		this.objects.set(path, values);
	}

	async contents(
		paths: readonly string[],
	): Promise<Map<string, ObjectContents | QomError>> {
		this.bulks.push([...paths]);
		const answer = new Map(paths.map((path) => [path, this.#object(path)]));
		await this.#turn();
		return answer;
	}

	async get(path: string, property: string): Promise<Json> {
		const key = joinPath(path, property);
		this.gets.push(key);
		const value = `${key} #${++this.#reads}`;
		await this.#turn();
		if (this.unreadable.has(key)) throw refused("not readable");
		return value;
	}

	async set(): Promise<void> {
		await this.#turn();
	}

	async list(): Promise<PropertyInfo[]> {
		throw new Error("a list with values costs no more");
	}

	peek(): Promise<Json> {
		throw new Error("the cache has to know whether it hands a value out");
	}

	async qtree(): Promise<string> {
		return "";
	}

	async types(): Promise<readonly TypeInfo[]> {
		return [];
	}

	async describe(): Promise<TypeDescription> {
		return { properties: new Map() };
	}

	/** Gives the answers that were held. */
	release(): void {
		for (const give of this.held ?? []) give();
		this.held = undefined;
	}

	async #turn(): Promise<void> {
		if (this.held)
			await new Promise<void>((resolve) => this.held?.push(resolve));
	}

	#object(path: string): ObjectContents | QomError {
		const names = this.objects.get(path);
		if (!names) return refused("no such object");
		const children = [...this.objects.keys()].filter(
			(other) => other !== "/" && splitPath(other)[0] === path,
		);
		const values = new Map<string, Json>(
			names
				.filter((name) => !this.unreadable.has(joinPath(path, name)))
				.map((name) => [name, `${joinPath(path, name)} #${++this.#reads}`]),
		);
		for (const child of children) values.set(splitPath(child)[1], child);
		return {
			properties: [
				...names.map((name) => ({ name, type: "string" })),
				...children.map((child) => ({
					name: splitPath(child)[1],
					type: "child<device>",
				})),
			],
			values,
		};
	}
}

const listTtlMs = 60_000;
const valueTtlMs = 100;

let source: TreeSource;
let nowMs: number;
let cache: CachedSource;

function create(options: { valueTtlMs: number }): CachedSource {
	return new CachedSource(source, {
		listTtlMs,
		now: () => nowMs,
		...options,
	});
}

/** All that is asked of the source while `act` runs. */
async function asked(
	act: () => Promise<unknown>,
): Promise<{ bulks: string[][]; gets: string[] }> {
	const [bulks, gets] = [source.bulks.length, source.gets.length];
	await act();
	return {
		bulks: source.bulks.slice(bulks),
		gets: source.gets.slice(gets),
	};
}

const nothing = { bulks: [], gets: [] };

async function getAll(path: string, ...names: string[]): Promise<void> {
	for (const name of names) await cache.get(path, name);
}

/** As `find` (or `grep -r`, with `reads`) does. */
async function sweep(path: string, reads: boolean): Promise<void> {
	const properties = await cache.sweep(path);
	for (const { name, type } of properties)
		if (reads && !type.startsWith("child<")) await cache.get(path, name);
	for (const { name, type } of properties)
		if (type.startsWith("child<")) await sweep(joinPath(path, name), reads);
}

beforeEach(() => {
	source = new TreeSource();
	source.add("/a", "p", "q", "r");
	source.add("/b", "p", "q");
	nowMs = 5000;
	cache = create({ valueTtlMs });
});

describe("a listing", () => {
	it("brings the values, each for one get", async () => {
		expect(await asked(() => cache.list("/a"))).toEqual({
			bulks: [["/a"]],
			gets: [],
		});
		expect(await asked(() => getAll("/a", "p", "q", "r"))).toEqual(nothing);
		expect(await asked(() => cache.get("/a", "p"))).not.toEqual(nothing);
	});

	it("brings sizes as well", async () => {
		await cache.sweep("/a");
		const act = async () => {
			await cache.peek("/a", "p");
			await cache.peek("/a", "q");
			await cache.peek("/a", "p");
			await getAll("/a", "p", "q");
		};
		expect(await asked(act)).toEqual(nothing);
	});

	it("brings sizes for as long as it is kept, though the values were read", async () => {
		await cache.sweep("/a");
		await getAll("/a", "p", "q");
		nowMs += listTtlMs - 1;
		expect(await asked(() => cache.peek("/a", "q"))).toEqual(nothing);
		nowMs += 1;
		expect(cache.known("/a", "q")).toBeUndefined();
	});

	it("brings the size of what was shown last", async () => {
		await cache.sweep("/a");
		await cache.get("/a", "p");
		const shown = await cache.get("/a", "p");
		expect(cache.known("/a", "p")).toBe(shown);
		expect(await cache.peek("/a", "p")).toBe(shown);
	});

	it("brings no sizes from before a write", async () => {
		await cache.sweep("/a");
		await cache.set("/b", "q", 1);
		expect(cache.known("/a", "p")).toBeUndefined();
		expect(await asked(() => cache.peek("/a", "p"))).not.toEqual(nothing);
	});

	it("is asked for once, however many want it at the same time", async () => {
		const act = () =>
			Promise.all([cache.list("/a"), cache.sweep("/a"), cache.list("/a")]);
		expect(await asked(act)).toEqual({ bulks: [["/a"]], gets: [] });
	});

	it("brings values for those who pause no longer than they may", async () => {
		await cache.sweep("/a");
		nowMs += valueTtlMs - 1;
		expect(await asked(() => cache.get("/a", "p"))).toEqual(nothing);
		nowMs += valueTtlMs;
		expect(await asked(() => cache.get("/a", "q"))).not.toEqual(nothing);
	});

	it.each([
		["is read again", () => cache.get("/a", "p")],
		["is looked at again", () => cache.peek("/a", "p")],
	])(
		"brings no values that outlive a pause after which another %s",
		async (_how, act) => {
			await cache.sweep("/a");
			await cache.get("/a", "p");
			nowMs += valueTtlMs;
			await act();
			const before = source.bulks.length + source.gets.length;
			await cache.get("/a", "q");
			expect(source.bulks.length + source.gets.length).toBe(before + 1);
		},
	);

	it("brings no values that outlive two seconds, however many are read", async () => {
		const names = Array.from({ length: 60 }, (_none, index) => `v${index}`);
		source.add("/long", ...names);
		await cache.sweep("/long");
		const sentMs = nowMs;
		for (const name of names) {
			nowMs += 50;
			const { bulks, gets } = await asked(() => cache.get("/long", name));
			if (nowMs < sentMs + 2000) expect([...bulks, ...gets]).toEqual([]);
			if (nowMs === sentMs + 2000)
				expect([...bulks, ...gets]).not.toHaveLength(0);
		}
		expect(source.bulks).toHaveLength(2);
	});

	it.each([
		["a listing", () => cache.sweep("/a")],
		["a size", () => cache.peek("/a", "p")],
	])(
		"ages from when it was asked for: what came with %s that took two seconds",
		async (_what, ask) => {
			source.held = [];
			const asking = ask();
			nowMs += 2000;
			source.release();
			await asking;
			const before = source.bulks.length + source.gets.length;
			await cache.get("/a", "p");
			expect(source.bulks.length + source.gets.length).toBe(before + 1);
		},
	);

	it("brings no values where none may be kept", async () => {
		cache = create({ valueTtlMs: 0 });
		source.list = async (path?: string) => {
			source.bulks.push([`list ${path}`]);
			return [{ name: "p", type: "string" }];
		};
		const act = async () => {
			for (const path of ["/", "/a", "/b"]) await cache.sweep(path);
			await getAll("/a", "p", "q", "r");
			await cache.peek("/a", "p");
			await cache.get("/a", "p");
		};
		expect(await asked(act)).toEqual({
			bulks: [["list /"], ["list /a"], ["list /b"]],
			gets: ["/a/p", "/a/q", "/a/r", "/a/p", "/a/p"],
		});
	});
});

describe("values without a listing", () => {
	beforeEach(async () => {
		await cache.list("/a");
		await cache.list("/b");
		nowMs += 10_000; // the listing is still there, the values are not
	});

	it("come one by one until a second property is read", async () => {
		expect(await asked(() => cache.get("/a", "p"))).toEqual({
			bulks: [],
			gets: ["/a/p"],
		});
		expect(await asked(() => cache.get("/a", "q"))).toEqual({
			bulks: [["/a"]],
			gets: [],
		});
		expect(await asked(() => cache.get("/a", "r"))).toEqual(nothing);
	});

	it("come one by one in a loop on one property", async () => {
		const loop = async () => {
			for (let turn = 0; turn < 10; turn++) {
				nowMs += 10;
				await cache.get("/a", "p");
			}
		};
		expect(await asked(loop)).toEqual({
			bulks: [],
			gets: Array(10).fill("/a/p"),
		});
	});

	it("come one by one in a loop that asks for the size as well", async () => {
		const loop = async () => {
			for (let turn = 0; turn < 10; turn++) {
				nowMs += 10;
				await cache.peek("/a", "p");
				await cache.get("/a", "p");
			}
		};
		expect(await asked(loop)).toEqual({
			bulks: [],
			gets: Array(10).fill("/a/p"),
		});
	});

	it("come one by one from object to object", async () => {
		const act = async () => {
			await cache.get("/a", "p");
			await cache.get("/b", "p");
			await cache.get("/a", "p");
		};
		expect(await asked(act)).toEqual({
			bulks: [],
			gets: ["/a/p", "/b/p", "/a/p"],
		});
	});

	it("come one by one to who pauses between them", async () => {
		const act = async () => {
			for (const name of ["p", "q", "r"]) {
				nowMs += valueTtlMs;
				await cache.get("/a", name);
			}
		};
		expect(await asked(act)).toEqual({
			bulks: [],
			gets: ["/a/p", "/a/q", "/a/r"],
		});
	});

	it("come to two who want the same at the same time, twice", async () => {
		await cache.get("/a", "p");
		source.held = [];
		const both = [cache.get("/a", "q"), cache.get("/a", "q")];
		source.release();
		const [first, second] = await Promise.all(both);
		expect(first).not.toBe(second);
	});

	it("come at once to all who want different ones", async () => {
		const act = async () => {
			await cache.get("/a", "p");
			await Promise.all([cache.get("/a", "q"), cache.get("/a", "r")]);
		};
		expect(await asked(act)).toEqual({ bulks: [["/a"]], gets: ["/a/p"] });
	});
});

describe("a refused property", () => {
	beforeEach(() => {
		source.unreadable.add("/a/q");
	});

	it("is asked for singly, and its error is handed to the open that follows", async () => {
		await cache.sweep("/a");
		await cache.get("/a", "p");
		const size = await asked(() =>
			expect(cache.peek("/a", "q")).rejects.toThrow("not readable"),
		);
		expect(size).toEqual({ bulks: [], gets: ["/a/q"] });
		const open = await asked(() =>
			expect(cache.get("/a", "q")).rejects.toThrow("not readable"),
		);
		expect(open).toEqual(nothing);
		expect(await asked(() => cache.get("/a", "r"))).toEqual(nothing);
	});

	it("is asked for again by the next open", async () => {
		await cache.sweep("/a");
		await expect(cache.peek("/a", "q")).rejects.toThrow();
		await expect(cache.get("/a", "q")).rejects.toThrow();
		source.unreadable.clear();
		expect(await cache.get("/a", "q")).toMatch("/a/q");
	});

	it("does not keep its error for longer than a value", async () => {
		await expect(cache.peek("/a", "q")).rejects.toThrow();
		source.unreadable.clear();
		nowMs += valueTtlMs;
		expect(await cache.get("/a", "q")).toMatch("/a/q");
	});

	it("is opened without a look at its size just as well", async () => {
		await cache.sweep("/a");
		const open = await asked(() =>
			expect(cache.get("/a", "q")).rejects.toThrow("not readable"),
		);
		expect(open).toEqual({ bulks: [], gets: ["/a/q"] });
	});
});

describe("a sweep", () => {
	const aheadListing = 32;
	const aheadReading = 8;

	beforeEach(() => {
		source = new TreeSource();
		for (let bus = 0; bus < 5; bus++) {
			source.add(`/bus${bus}`, "p", "q");
			for (let slot = 0; slot < 50; slot++)
				source.add(`/bus${bus}/slot${slot}`, "p", "q", "r");
		}
		cache = create({ valueTtlMs });
	});

	it("is recognised after four directories", async () => {
		for (const path of ["/", "/bus0", "/bus0/slot0"]) await cache.sweep(path);
		expect(source.bulks).toEqual([["/"], ["/bus0"], ["/bus0/slot0"]]);
		await cache.sweep("/bus0/slot1");
		expect(source.bulks[3]?.slice(0, 3)).toEqual([
			"/bus0/slot1",
			"/bus0/slot2",
			"/bus0/slot3",
		]);
	});

	it("is read ahead of, of at most 32 directories when they are only listed", async () => {
		await sweep("/", false);
		const ahead = source.bulks.map((paths) => paths.length - 1);
		expect(Math.max(...ahead)).toBe(aheadListing);
		expect(source.gets).toEqual([]);
		expect(new Set(source.bulks.flat()).size).toBe(source.objects.size);
		expect(source.bulks.flat()).toHaveLength(source.objects.size); // none twice
		// All but the first few come 33 at a time, or as many as a bus has left.
		expect(source.bulks.length).toBeLessThan(4 + source.objects.size / 20);
	});

	it("is read ahead of, of at most 8 directories when values are read", async () => {
		await sweep("/", true);
		const ahead = source.bulks.map((paths) => paths.length - 1);
		expect(Math.max(...ahead)).toBe(aheadReading);
		expect(source.gets).toEqual([]);
		expect(source.bulks.length).toBeLessThan(4 + source.objects.size / 6);
	});

	it("is read ahead of when it is repeated while the listings are fresh", async () => {
		await sweep("/", false);
		nowMs += 10_000;
		expect(await asked(() => sweep("/", false))).toEqual(nothing);
		const { bulks, gets } = await asked(() => sweep("/", true));
		expect(Math.max(...bulks.map((paths) => paths.length - 1))).toBe(
			aheadReading,
		);
		expect(bulks.length + gets.length).toBeLessThan(source.objects.size / 2);
	});

	it("is over after a pause", async () => {
		for (const path of ["/", "/bus0", "/bus0/slot0"]) await cache.sweep(path);
		nowMs += valueTtlMs;
		await cache.sweep("/bus0/slot1");
		expect(source.bulks.at(-1)).toEqual(["/bus0/slot1"]);
	});

	it("is not seen in names that are looked up", async () => {
		for (const path of ["/", "/bus0", "/bus0/slot0", "/bus0/slot1", "/bus1"])
			await cache.list(path);
		expect(source.bulks.every((paths) => paths.length === 1)).toBe(true);
	});

	it("leaves no values behind in the directory that it leaves", async () => {
		await cache.sweep("/");
		await cache.sweep("/bus0");
		await cache.sweep("/bus0/slot0");
		await cache.get("/bus0/slot0", "p");
		await cache.sweep("/bus0/slot1");
		const act = () => cache.get("/bus0/slot0", "q");
		expect(await asked(act)).not.toEqual(nothing);
	});

	it("takes the values with it that it was read ahead of for", async () => {
		for (const path of ["/", "/bus0", "/bus0/slot0", "/bus0/slot1"])
			await cache.sweep(path);
		expect(source.bulks.at(-1)).toContain("/bus0/slot2");
		nowMs += valueTtlMs - 1;
		await getAll("/bus0/slot1", "p");
		nowMs += valueTtlMs - 1;
		const act = async () => {
			await cache.sweep("/bus0/slot2");
			await getAll("/bus0/slot2", "p", "q", "r");
		};
		expect(await asked(act)).toEqual(nothing);
	});

	it("goes round an object that is gone by the time it is read ahead", async () => {
		for (const path of ["/", "/bus0", "/bus0/slot0"]) await cache.sweep(path);
		source.objects.delete("/bus0/slot2");
		await cache.sweep("/bus0/slot1");
		expect(source.bulks.at(-1)).toContain("/bus0/slot2");
		await expect(cache.sweep("/bus0/slot2")).rejects.toThrow("no such object");
		// Its own question: an error is not kept.
		expect(source.bulks.at(-1)?.[0]).toBe("/bus0/slot2");
		expect(await asked(() => cache.list("/bus0/slot3"))).toEqual(nothing);
	});
});

describe("an object that is gone", () => {
	it("fails its listing, and everybody who waits for it", async () => {
		const both = [cache.list("/x"), cache.sweep("/x")];
		for (const list of both)
			await expect(list).rejects.toThrow("no such object");
	});

	it("fails its values", async () => {
		await cache.sweep("/a");
		nowMs += 10_000;
		source.objects.delete("/a");
		source.get = async () => {
			throw refused("no such object");
		};
		await expect(cache.get("/a", "p")).rejects.toThrow("no such object");
		await expect(cache.get("/a", "q")).rejects.toThrow("no such object");
	});

	it("comes back when it is made again", async () => {
		await expect(cache.list("/x")).rejects.toThrow();
		source.add("/x", "p");
		expect(await cache.list("/x")).toEqual([{ name: "p", type: "string" }]);
	});
});

describe("forgetting an object", () => {
	beforeEach(async () => {
		source.add("/a/b", "p");
		source.add("/a/b/c", "p");
		source.add("/a/bb", "p");
		for (const path of ["/", "/a", "/a/b", "/a/b/c", "/a/bb", "/b"])
			await cache.list(path);
	});

	it("forgets its listing, those below it and its parent's", async () => {
		cache.forgetObject("/a/b");
		const act = async () => {
			for (const path of ["/", "/a", "/a/b", "/a/b/c", "/a/bb", "/b"])
				await cache.list(path);
		};
		expect((await asked(act)).bulks).toEqual([["/a"], ["/a/b"], ["/a/b/c"]]);
	});

	it("forgets its values", async () => {
		cache.forgetObject("/a/b");
		expect(await asked(() => cache.get("/a/b", "p"))).not.toEqual(nothing);
	});

	it("forgets an answer that is on its way", async () => {
		nowMs += 60_000;
		source.held = [];
		const list = cache.list("/a/b");
		cache.forgetObject("/a/b");
		source.release();
		await list;
		const act = async () => {
			await cache.list("/a/b");
			await cache.get("/a/b", "p");
		};
		expect((await asked(act)).bulks).toEqual([["/a/b"]]);
	});
});

describe("a write", () => {
	it("drops all values, of all objects", async () => {
		await cache.sweep("/a");
		await cache.sweep("/b");
		await cache.set("/b", "p", 1);
		expect(await asked(() => cache.get("/a", "p"))).toEqual({
			bulks: [],
			gets: ["/a/p"],
		});
		expect(await asked(() => cache.get("/b", "q"))).toEqual({
			bulks: [],
			gets: ["/b/q"],
		});
	});

	it("keeps the listings", async () => {
		await cache.sweep("/a");
		await cache.set("/b", "p", 1);
		expect(await asked(() => cache.sweep("/a"))).toEqual(nothing);
	});

	it.each([
		["a listing's", () => cache.sweep("/a")],
		["the neighbours'", () => cache.get("/a", "q")],
	])("drops what is on its way: %s values", async (_whose, act) => {
		await cache.list("/a");
		nowMs += 100_000;
		await cache.get("/a", "p");
		source.held = [];
		const reading = act();
		const writing = cache.set("/b", "p", 1);
		source.release();
		await Promise.all([reading, writing]);
		const last = source.gets.length + source.bulks.length;
		await cache.get("/a", "r");
		expect(source.gets.length + source.bulks.length).toBe(last + 1);
	});

	it("lets a get that waits for its neighbours ask anew", async () => {
		await cache.list("/a");
		nowMs += 10_000;
		await cache.get("/a", "p");
		source.held = [];
		const reading = cache.get("/a", "q");
		expect(source.bulks.at(-1)).toEqual(["/a"]);
		const writing = cache.set("/b", "p", 1);
		source.release();
		await writing;
		await reading;
		expect(source.gets.at(-1)).toBe("/a/q");
	});
});

describe("values that are no older than those shown before", () => {
	it("by a read that overtook the sweep's", async () => {
		for (const name of ["c", "d", "e", "f"]) source.add(`/${name}`, "p", "q");
		for (const path of ["/", "/a", "/b"]) await cache.sweep(path);
		source.held = [];
		const sweeping = cache.sweep("/c");
		expect(source.bulks.at(-1)).toContain("/d");
		const shown = cache.get("/d", "p"); // by somebody else
		expect(source.gets.at(-1)).toBe("/d/p");
		source.release();
		await sweeping;
		const reads = (value: Json) => Number(String(value).split("#")[1]);
		const before = reads(await shown);
		expect(reads(await cache.get("/d", "p"))).toBeGreaterThan(before);
	});
});
