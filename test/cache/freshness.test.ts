/**
 * How fresh what is read has to be, against a simulated QEMU: whatever is listed, looked
 * at, read and written in whatever order, no read shows what it must not show. Every sample
 * that QEMU takes of a property is a value of its own, as if it changed all the time.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CachedSource } from "../../src/cache/cachedSource.ts";
import { CommandError, QomError } from "../../src/errors.ts";
import type { Json } from "../../src/json.ts";
import { type Pace, paceAt } from "../../src/pace.ts";
import { splitPath } from "../../src/qom/path.ts";
import type {
	ObjectContents,
	PropertyInfo,
	QomSource,
	TypeDescription,
	TypeInfo,
} from "../../src/qom/source.ts";

/** In the order of a sweep. */
const objects = ["/", "/a", "/a/c", "/a/d", "/a/d/e", "/a/f", "/b", "/b/g"];
const properties = ["p", "q", "r", "s"];

/** `/a/p` and `/b/p` are one and the same, as are `/a/c/q` and `/a/c/r`. */
const aliases = new Map([
	["/b p", "/a p"],
	["/a/c r", "/a/c q"],
]);
const unreadable: ReadonlySet<string> = new Set(["/a q", "/a/d p", "/b/g s"]);

const keyOf = (object: string, property: string) => `${object} ${property}`;

/** What is read in truth, whatever its name. */
const cellOf = (key: string) => aliases.get(key) ?? key;

interface Sample {
	readonly cell: string;
	/** When QEMU took it, by the clock and in the order of all that happened. */
	readonly ms: number;
	readonly at: number;
	/** When the cache got it; undefined until then. */
	delivered: number | undefined;
}

interface Command {
	/** As QEMU carries it out; returns how its reply is handed over. */
	readonly run: () => () => void;
	/** One value: it may go before objects that were asked for earlier. */
	readonly isSingle: boolean;
}

/**
 * Carries commands out one after the other, and answers in the same order, when told to.
 * Single ones are carried out in the order in which they came, and so are the others.
 */
class SimulatedQemu implements QomSource {
	readonly isWritable = true;
	readonly givesValues: boolean;
	readonly samples: Sample[] = [];
	/** By the error that the cache was given in place of a value. */
	readonly refused = new Map<unknown, number>();
	nowMs = 1000;
	/** Counts what happens. */
	at = 0;
	readonly #commands: Command[] = [];
	readonly #replies: (() => void)[] = [];

	constructor(givesValues: boolean) {
		this.givesValues = givesValues;
	}

	get isIdle(): boolean {
		return this.#commands.length + this.#replies.length === 0;
	}

	/** Carries out the next command, if there is one. */
	run(overtakes = false): void {
		const single = this.#commands.findIndex(({ isSingle }) => isSingle);
		const [command] = this.#commands.splice(
			overtakes && single > 0 ? single : 0,
			1,
		);
		if (command) this.#replies.push(command.run());
	}

	/** Hands the oldest reply over, if there is one. */
	deliver(): void {
		this.at++;
		this.#replies.shift()?.();
	}

	list(path: string): Promise<readonly PropertyInfo[]> {
		return this.#execute(false, () => () => infos(path));
	}

	contents(
		paths: readonly string[],
	): Promise<ReadonlyMap<string, ObjectContents | QomError>> {
		return this.#execute(false, () => {
			const found = paths.map((path) => [path, this.#object(path)] as const);
			return () =>
				new Map(
					found.map(([path, { values, samples }]) => {
						for (const sample of samples) this.#delivered(sample);
						return [path, { properties: infos(path), values }];
					}),
				);
		});
	}

	get(path: string, property: string): Promise<Json> {
		return this.#execute(true, () => {
			const key = keyOf(path, property);
			const sample = this.#sample(key);
			return () => {
				this.#delivered(sample);
				if (!unreadable.has(key)) return sample;
				const error = refusal();
				this.refused.set(error, sample);
				throw error;
			};
		});
	}

	/** @param value what the model wants to be told, and whether it fails in the end */
	set(_path: string, _property: string, value: Json): Promise<void> {
		return this.#execute(true, () => {
			const write = value as unknown as Write;
			write.at = ++this.at;
			return () => {
				if (write.fails) throw refusal();
			};
		});
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

	#object(path: string) {
		const values = new Map<string, Json>();
		const samples: number[] = [];
		for (const { name, type } of infos(path)) {
			const key = keyOf(path, name);
			if (type.startsWith("child<") || unreadable.has(key)) continue;
			const sample = this.#sample(key);
			samples.push(sample);
			values.set(name, sample);
		}
		return { values, samples };
	}

	#sample(key: string): number {
		return (
			this.samples.push({
				cell: cellOf(key),
				ms: this.nowMs,
				at: ++this.at,
				delivered: undefined,
			}) - 1
		);
	}

	#delivered(sample: number): void {
		(this.samples[sample] as Sample).delivered = this.at;
	}

	#execute<Result>(
		isSingle: boolean,
		run: () => () => Result,
	): Promise<Result> {
		const { promise, resolve, reject } = Promise.withResolvers<Result>();
		this.#commands.push({
			run: () => {
				const answer = run();
				return () => {
					try {
						resolve(answer());
					} catch (error) {
						reject(error);
					}
				};
			},
			isSingle,
		});
		return promise;
	}
}

interface Write {
	/** When QEMU carried it out. */
	at: number | undefined;
	readonly fails: boolean;
}

function refusal(): QomError {
	const cause = new CommandError("qom-get", "GenericError", "not readable");
	return new QomError("not readable", { path: "/" }, cause);
}

function infos(path: string): PropertyInfo[] {
	const children = objects.filter(
		(object) => object !== "/" && splitPath(object)[0] === path,
	);
	return [
		...properties.map((name) => ({ name, type: "int" })),
		...children.map((child) => ({
			name: splitPath(child)[1],
			type: "child<device>",
		})),
	];
}

type Step =
	| { do: "list"; object: string; wholly: boolean }
	| { do: "get" | "peek"; object: string; property: string }
	| { do: "set"; object: string; property: string; fails: boolean }
	| { do: "forget"; object: string }
	| { do: "wait"; ms: number }
	| { do: "run"; overtakes: boolean }
	| { do: "deliver" }
	| { do: "settle" }
	| { do: "sweep"; reads: boolean; directories: number; pauseMs: number };

const object = fc.constantFrom(...objects);
const property = fc.constantFrom(...properties);

const step: fc.Arbitrary<Step> = fc.oneof(
	{
		weight: 3,
		arbitrary: fc.record({
			do: fc.constant("list" as const),
			object,
			wholly: fc.boolean(),
		}),
	},
	{
		weight: 10,
		arbitrary: fc.record({
			do: fc.constantFrom("get" as const, "get" as const, "peek" as const),
			// Most on one object: neighbours are what is fetched ahead.
			object: fc.oneof(fc.constant("/a"), object),
			property,
		}),
	},
	{
		weight: 2,
		arbitrary: fc.record({
			do: fc.constant("set" as const),
			object,
			property,
			fails: fc.boolean(),
		}),
	},
	fc.record({ do: fc.constant("forget" as const), object }),
	{
		weight: 4,
		arbitrary: fc.record({
			do: fc.constant("wait" as const),
			ms: fc.constantFrom(0, 1, 20, 50, 99, 100, 101, 500, 1950, 2000, 2001),
		}),
	},
	{
		weight: 4,
		arbitrary: fc.record({
			do: fc.constant("run" as const),
			overtakes: fc.boolean(),
		}),
	},
	{ weight: 4, arbitrary: fc.record({ do: fc.constant("deliver" as const) }) },
	{ weight: 6, arbitrary: fc.record({ do: fc.constant("settle" as const) }) },
	fc.record({
		do: fc.constant("sweep" as const),
		reads: fc.boolean(),
		directories: fc.integer({ min: 1, max: objects.length }),
		pauseMs: fc.constantFrom(0, 1, 60, 99, 300),
	}),
);

/** What may be wrong with a value that a read shows. */
const promises = {
	"is shown twice": "shown twice",
	"belongs to another property": "another property's",
	"was fetched ahead more than two seconds ago": "too old",
	"is older than a write that was completed before": "before a write",
	"was fetched ahead where nothing may be": "fetched ahead",
	"was fetched ahead before a pause": "before a pause",
	"is older than one that was shown before": "back in time",
} as const;

type Promised = (typeof promises)[keyof typeof promises];

class Play {
	readonly #qemu: SimulatedQemu;
	readonly #cache: CachedSource;
	readonly #valueTtlMs: number;
	/** What went wrong. */
	readonly broken = new Set<Promised>();
	/** Values shown that were there before they were asked for. */
	fetchedAhead = 0;
	shown = 0;
	readonly #seen = new Set<number>();
	/** By name: when the newest sample shown was taken. Aliases the cache does not know. */
	readonly #newest = new Map<string, number>();
	/** When the last write that is completed took effect. */
	#written = 0;
	#activeMs = 0;
	/** When the last pause ended. */
	#paused = 0;

	constructor(givesValues: boolean, valueTtlMs: number, pace: Pace) {
		this.#qemu = new SimulatedQemu(givesValues);
		this.#valueTtlMs = valueTtlMs;
		this.#cache = new CachedSource(this.#qemu, {
			listTtlMs: 900,
			valueTtlMs,
			pace: () => pace,
			now: () => this.#qemu.nowMs,
		});
	}

	async take(step: Step): Promise<void> {
		switch (step.do) {
			case "list":
				this.#call();
				(step.wholly
					? this.#cache.sweep(step.object)
					: this.#cache.list(step.object)
				).catch(() => {});
				break;
			case "get":
				this.#call();
				void this.#get(step.object, step.property);
				break;
			case "peek":
				this.#call();
				void this.#peek(step.object, step.property);
				break;
			case "set":
				this.#call();
				void this.#set(step.object, step.property, step.fails);
				break;
			case "forget":
				this.#cache.forgetObject(step.object);
				break;
			case "wait":
				this.#qemu.nowMs += step.ms;
				break;
			case "run":
				this.#qemu.run(step.overtakes);
				break;
			case "deliver":
				await this.#deliver();
				break;
			case "settle":
				await this.settle();
				break;
			case "sweep":
				await this.#sweep(step);
		}
		await turn();
	}

	/** Until nothing is under way. */
	async settle(): Promise<void> {
		await turn();
		while (!this.#qemu.isIdle) {
			this.#qemu.run();
			await this.#deliver();
		}
	}

	async #sweep({
		reads,
		directories,
		pauseMs,
	}: Extract<Step, { do: "sweep" }>): Promise<void> {
		for (const object of objects.slice(0, directories)) {
			await this.take({ do: "list", object, wholly: true });
			await this.settle();
			for (const property of reads ? properties : []) {
				await this.take({ do: "get", object, property });
				await this.settle();
			}
			this.#qemu.nowMs += pauseMs;
		}
	}

	async #deliver(): Promise<void> {
		this.#activeMs = this.#qemu.nowMs;
		this.#qemu.deliver();
		await turn();
	}

	/** Something is asked of the cache: the end of a pause, if there was one. */
	#call(): void {
		const { nowMs } = this.#qemu;
		this.#qemu.at++;
		if (nowMs - this.#activeMs >= this.#valueTtlMs)
			this.#paused = this.#qemu.at;
		this.#activeMs = nowMs;
	}

	async #set(object: string, property: string, fails: boolean): Promise<void> {
		const write: Write = { at: undefined, fails };
		await this.#cache
			.set(object, property, write as unknown as Json)
			.catch(() => {});
		this.#written = Math.max(this.#written, write.at ?? 0);
	}

	/** A size may be as old as a listing, but not older than what was shown or written. */
	async #peek(object: string, property: string): Promise<void> {
		const key = keyOf(object, property);
		const called = {
			at: this.#qemu.at,
			ms: this.#qemu.nowMs,
			written: this.#written,
			newest: this.#newest.get(key) ?? 0,
		};
		const number = await this.#cache
			.peek(object, property)
			.catch((error) => this.#qemu.refused.get(error));
		const sample = this.#qemu.samples[number as number];
		if (!sample) return;
		if (sample.at < called.written) this.broken.add("before a write");
		if (sample.at < called.newest) this.broken.add("back in time");
		const wasAtHand =
			sample.delivered !== undefined && sample.delivered <= called.at;
		if (wasAtHand && called.ms - sample.ms > 2000) this.broken.add("too old");
	}

	async #get(object: string, property: string): Promise<void> {
		const key = keyOf(object, property);
		const called = {
			at: this.#qemu.at,
			written: this.#written,
			paused: this.#paused,
			newest: this.#newest.get(key) ?? 0,
		};
		const number = await this.#cache
			.get(object, property)
			.catch((error) => this.#qemu.refused.get(error));
		const sample = this.#qemu.samples[number as number];
		const breaks = (promised: Promised) => this.broken.add(promised);
		if (sample?.cell !== cellOf(key)) {
			breaks("another property's");
			return;
		}
		this.shown++;
		if (this.#seen.has(number as number)) breaks("shown twice");
		this.#seen.add(number as number);
		if (sample.at < called.written) breaks("before a write");
		if (sample.at < called.newest) breaks("back in time");
		this.#newest.set(key, Math.max(this.#newest.get(key) ?? 0, sample.at));
		if (sample.at > called.at) return;
		this.fetchedAhead++;
		if (this.#valueTtlMs === 0) breaks("fetched ahead");
		if (this.#qemu.nowMs - sample.ms > 2000) breaks("too old");
		if ((sample.delivered ?? 0) < called.paused) breaks("before a pause");
	}
}

/** A value that QEMU is long in sending, beside a listing that was asked for later than it. */
const lateAnswers: readonly Step[][] = [
	[
		{ do: "get", object: "/a", property: "r" },
		{ do: "run", overtakes: false },
		{ do: "get", object: "/a", property: "p" },
		{ do: "wait", ms: 2001 },
		{ do: "deliver" },
		{ do: "peek", object: "/a", property: "r" },
	],
	[
		{ do: "get", object: "/a", property: "r" },
		{ do: "run", overtakes: false },
		{ do: "wait", ms: 2001 },
		{ do: "list", object: "/a", wholly: false },
		{ do: "deliver" },
		{ do: "peek", object: "/a", property: "r" },
	],
];

/** Lets everything happen that needs no more answers. */
function turn(): Promise<void> {
	return new Promise((resolve) => setImmediate(resolve));
}

describe.each([
	{ givesValues: true, valueTtlMs: 100, roundTripMs: 0 },
	{ givesValues: false, valueTtlMs: 100, roundTripMs: 0 },
	{ givesValues: true, valueTtlMs: 0, roundTripMs: 0 },
	{ givesValues: false, valueTtlMs: 0, roundTripMs: 50 },
	{ givesValues: true, valueTtlMs: 100, roundTripMs: 50 },
	{ givesValues: false, valueTtlMs: 100, roundTripMs: 50 },
])("a value that a read shows (%o)", (machine) => {
	const { givesValues, valueTtlMs, roundTripMs } = machine;
	it.each(Object.entries(promises))("never %s", async (_how, promised) => {
		let [shown, fetchedAhead] = [0, 0];
		await fc.assert(
			fc.asyncProperty(
				fc.array(step, { minLength: 1, maxLength: 60, size: "max" }),
				async (steps) => {
					const play = new Play(givesValues, valueTtlMs, paceAt(roundTripMs));
					for (const step of steps) {
						await play.take(step);
						if (play.broken.has(promised)) break;
					}
					await play.settle();
					shown += play.shown;
					fetchedAhead += play.fetchedAhead;
					return !play.broken.has(promised);
				},
			),
			{ numRuns: 500, examples: lateAnswers.map((steps) => [steps]) },
		);
		// It says something only if there was something to go wrong.
		expect(shown).toBeGreaterThan(1000);
		if (valueTtlMs > 0) expect(fetchedAhead).toBeGreaterThan(30);
	});
});
