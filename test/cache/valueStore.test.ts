import { beforeEach, describe, expect, it } from "vitest";
import { ValueStore } from "../../src/cache/valueStore.ts";

const pauseMs = 100;
const maxAgeMs = 2000;

let store: ValueStore;
let nowMs: number;

const put = (object: string, values: Record<string, number>) =>
	store.put(object, Object.entries(values), nowMs, nowMs);
const peek = (object: string, property: string) =>
	store.peek(object, property, nowMs)?.value;
const take = (object: string, property: string) =>
	store.take(object, property, nowMs)?.value;
const noteUse = (object: string, property?: string) =>
	store.noteUse(object, property, nowMs);

beforeEach(() => {
	store = new ValueStore(pauseMs);
	nowMs = 5000;
});

describe("a stored value", () => {
	it("is handed out once", () => {
		put("/a", { p: 1, q: 2 });
		expect(take("/a", "p")).toBe(1);
		expect(take("/a", "p")).toBeUndefined();
		expect(take("/a", "q")).toBe(2);
	});

	it("can be looked at as often as one likes before it is handed out", () => {
		put("/a", { p: 1 });
		expect([peek("/a", "p"), peek("/a", "p"), take("/a", "p")]).toEqual([
			1, 1, 1,
		]);
		expect(peek("/a", "p")).toBeUndefined();
	});

	it("belongs to one property of one object", () => {
		put("/a", { p: 1 });
		expect(take("/a", "q")).toBeUndefined();
		expect(take("/a/p", "p")).toBeUndefined();
		expect(take("/b", "p")).toBeUndefined();
	});

	it("gives way to a newer one, and leaves its neighbours", () => {
		put("/a", { p: 1, q: 2 });
		put("/a", { p: 3 });
		expect([take("/a", "p"), take("/a", "q")]).toEqual([3, 2]);
	});

	it("may be null, false or empty", () => {
		store.put("/a", Object.entries({ n: null, f: false, e: "" }), nowMs, nowMs);
		expect(["n", "f", "e"].map((name) => take("/a", name))).toEqual([
			null,
			false,
			"",
		]);
	});

	it("that did not come along is known not to have", () => {
		store.put("/a", [["p", undefined]], nowMs, nowMs);
		expect(store.peek("/a", "p", nowMs)).toEqual({
			value: undefined,
			fetchedMs: nowMs,
		});
		expect(store.peek("/a", "q", nowMs)).toBeUndefined();
	});

	it("waits until there has been a pause", () => {
		put("/a", { p: 1 });
		nowMs += pauseMs - 1;
		expect(peek("/a", "p")).toBe(1);
		nowMs += pauseMs;
		expect(take("/a", "p")).toBeUndefined();
	});

	it("waits while its neighbours are read", () => {
		put("/a", { p: 1, q: 2, r: 3, s: 4 });
		for (const name of ["p", "q", "r"]) {
			nowMs += pauseMs - 1;
			expect(take("/a", name)).toBeDefined();
		}
		nowMs += pauseMs - 1;
		expect(take("/a", "s")).toBe(4);
	});

	it("waits while a sweep is on its way to it", () => {
		put("/a", { p: 1 });
		put("/b", { p: 2 });
		for (let read = 0; read < 5; read++) {
			nowMs += pauseMs - 1;
			store.keepAlive(["/a", "/nosuch"], nowMs);
		}
		expect(take("/a", "p")).toBe(1);
		expect(take("/b", "p")).toBeUndefined();
	});

	it("is never two seconds old", () => {
		put("/a", { p: 1, q: 2 });
		const endMs = nowMs + maxAgeMs;
		while (nowMs < endMs - 50) {
			nowMs += 50;
			expect(peek("/a", "p")).toBe(1);
		}
		nowMs = endMs - 1;
		expect(take("/a", "q")).toBe(2);
		nowMs = endMs;
		expect(take("/a", "p")).toBeUndefined();
	});

	it("ages from when it was asked for", () => {
		store.put("/a", [["p", 1]], nowMs - maxAgeMs, nowMs);
		expect(take("/a", "p")).toBeUndefined();
		store.put("/a", [["p", 1]], nowMs - maxAgeMs + 1, nowMs);
		expect(take("/a", "p")).toBe(1);
	});

	// Whatever is done with the object after the pause, what was there before it is gone.
	it.each<[string, () => unknown]>([
		["a look at it", () => peek("/a", "p")],
		["a look at one that is not there", () => peek("/a", "other")],
		["taking one that is not there", () => take("/a", "other")],
		["a note that a neighbour is asked for", () => noteUse("/a", "other")],
		["a note that all are asked for", () => noteUse("/a")],
		["a neighbour's value", () => put("/a", { other: 5 })],
		["a sweep that comes by", () => store.keepAlive(["/a"], nowMs)],
	])("is not called back after a pause by %s", (_what, act) => {
		put("/a", { p: 1, q: 2 });
		nowMs += pauseMs;
		act();
		expect(take("/a", "q")).toBeUndefined();
		expect(take("/a", "p")).toBeUndefined();
	});

	it("goes with its object", () => {
		put("/a", { p: 1 });
		put("/a/b", { p: 2 });
		store.drop("/a");
		expect([take("/a", "p"), take("/a/b", "p")]).toEqual([undefined, 2]);
	});

	it("goes with all others", () => {
		put("/a", { p: 1 });
		put("/b", { p: 1 });
		store.clear();
		expect([take("/a", "p"), take("/b", "p")]).toEqual([undefined, undefined]);
	});

	it("of the object that was used least lately goes when there are too many", () => {
		for (let n = 0; n < 256; n++) put(`/${n}`, { p: n });
		put("/0", { q: 0 });
		put("/256", { p: 256 });
		expect(peek("/1", "p")).toBeUndefined();
		expect([peek("/0", "p"), peek("/2", "p"), peek("/256", "p")]).toEqual([
			0, 2, 256,
		]);
	});
});

describe("whether an object has values", () => {
	it("is so until they are taken or there was a pause", () => {
		expect(store.has("/a", nowMs)).toBe(false);
		put("/a", { p: 1 });
		expect(store.has("/a", nowMs)).toBe(true);
		take("/a", "p");
		expect(store.has("/a", nowMs)).toBe(false);
		put("/a", { p: 1 });
		nowMs += pauseMs;
		expect(store.has("/a", nowMs)).toBe(false);
	});

	it("is not so because something was asked for", () => {
		noteUse("/a", "p");
		expect(store.has("/a", nowMs)).toBe(false);
	});
});

describe("a neighbour", () => {
	it("is another property of the same object, a moment ago", () => {
		expect(noteUse("/a", "p")).toBe(false);
		expect(noteUse("/b", "q")).toBe(false);
		expect(noteUse("/a", "q")).toBe(true);
	});

	it("is anything after the whole object was asked for", () => {
		noteUse("/a");
		expect(noteUse("/a", "p")).toBe(true);
	});

	it("is not the same property again", () => {
		noteUse("/a", "p");
		expect(noteUse("/a", "p")).toBe(false);
		expect(noteUse("/a", "p")).toBe(false);
	});

	it("is none after a pause", () => {
		noteUse("/a", "p");
		nowMs += pauseMs;
		expect(noteUse("/a", "q")).toBe(false);
	});
});
