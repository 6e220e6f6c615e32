import { describe, expect, it } from "vitest";
import { DisconnectedError, TimeoutError } from "../../src/errors.ts";
import type { Json, JsonObject } from "../../src/json.ts";
import { type Pace, paceAt } from "../../src/pace.ts";
import {
	type QmpExecutor,
	RequestQueue,
	type Urgency,
} from "../../src/qmp/requestQueue.ts";

interface Sent {
	readonly command: string;
	readonly args: JsonObject | undefined;
	readonly options: { secret?: boolean; timeoutMs?: number } | undefined;
	readonly resolve: (value: Json) => void;
	readonly reject: (error: Error) => void;
}

class FakeQemu implements QmpExecutor {
	readonly sent: Sent[] = [];

	execute(
		command: string,
		args?: JsonObject,
		options?: { secret?: boolean; timeoutMs?: number },
	): Promise<Json> {
		return new Promise((resolve, reject) => {
			this.sent.push({ command, args, options, resolve, reject });
		});
	}

	get commands(): string[] {
		return this.sent.map(({ command }) => command);
	}

	/** The command of that name that was sent last. */
	of(command: string): Sent {
		const sent = this.sent.findLast((sent) => sent.command === command);
		if (!sent) throw new Error(`${command} was not sent`);
		return sent;
	}
}

function start(pace?: () => Pace) {
	const qemu = new FakeQemu();
	const queue = new RequestQueue(qemu, pace);
	const ask = (command: string, urgency: Urgency = "single") => {
		const answer = queue.execute(command, {}, { urgency });
		answer.catch(() => {});
		return answer;
	};
	return { qemu, queue, ask };
}

/** Lets whatever is settled be noticed. */
const settle = () => new Promise<void>((resolve) => setImmediate(resolve));

const late = new TimeoutError("no answer");

describe("the request queue", () => {
	it("sends at once, and gives back what QEMU answers", async () => {
		const { qemu, queue } = start();
		const answer = queue.execute("get", { path: "/" }, { secret: true });
		expect(qemu.of("get")).toMatchObject({
			...{ args: { path: "/" }, options: { secret: true } },
		});
		qemu.of("get").resolve(7);
		expect(await answer).toBe(7);
	});

	it("has four on their way at most, and sends the rest in order", async () => {
		const { qemu, ask } = start();
		for (let index = 0; index < 7; index++) void ask(`${index}`);
		expect(qemu.commands).toEqual(["0", "1", "2", "3"]);
		qemu.of("2").resolve(null);
		qemu.of("0").reject(new DisconnectedError("gone"));
		await settle();
		expect(qemu.commands).toEqual(["0", "1", "2", "3", "4", "5"]);
	});

	it("has one whole object on its way at most", async () => {
		const { qemu, ask } = start();
		for (const name of ["a", "b", "c"]) void ask(name, "bulk");
		expect(qemu.commands).toEqual(["a"]);
		qemu.of("a").resolve(null);
		await settle();
		expect(qemu.commands).toEqual(["a", "b"]);
	});

	it("has more on their way the further QEMU is, and no more than there may be", async () => {
		let roundTripMs = 0;
		const { qemu, ask } = start(() => paceAt(roundTripMs));
		for (let index = 0; index < 100; index++) void ask(`${index}`, "bulk");
		expect(qemu.commands).toHaveLength(1);
		roundTripMs = 50;
		void ask("1 more", "bulk");
		const { bulkUnderWay, underWay } = paceAt(roundTripMs);
		expect(qemu.commands).toHaveLength(bulkUnderWay);
		for (let index = 0; index < 100; index++) void ask(`value ${index}`);
		expect(qemu.commands).toHaveLength(underWay);
		expect(qemu.commands.at(bulkUnderWay)).toBe("value 0");
		roundTripMs = 1;
		for (const { resolve } of qemu.sent.splice(0, underWay - 3)) resolve(null);
		await settle();
		expect(qemu.commands).toHaveLength(4);
	});

	it("lets single values go before whole objects", async () => {
		const { qemu, ask } = start();
		void ask("a", "bulk");
		void ask("b", "bulk");
		for (const name of ["1", "2", "3", "4"]) void ask(name);
		expect(qemu.commands).toEqual(["a", "1", "2", "3"]);
		qemu.of("a").resolve(null);
		await settle();
		expect(qemu.commands).toEqual(["a", "1", "2", "3", "4"]);
		qemu.of("1").resolve(null);
		await settle();
		expect(qemu.commands.at(-1)).toBe("b");
	});

	it("fails all that wait when one gets no answer in time, and asks for a sign of life", async () => {
		const { qemu, ask } = start();
		const answers = Array.from({ length: 60 }, (_, index) =>
			ask(`${index}`, index % 2 ? "bulk" : "single"),
		);
		qemu.of("0").reject(late);
		await settle();
		const sent = qemu.commands.length;
		expect(qemu.commands.at(-1)).toBe("query-name");
		expect(qemu.of("query-name").options?.timeoutMs).toBeGreaterThan(
			86_400_000,
		);
		expect(sent).toBe(5);
		for (const answer of answers.slice(8))
			await expect(answer).rejects.toBe(late);
	});

	it("sends nothing while it waits for that sign, and fails at once", async () => {
		const { qemu, ask } = start();
		const first = ask("first");
		qemu.of("first").reject(late);
		await expect(first).rejects.toBe(late);
		for (let index = 0; index < 5; index++)
			await expect(ask("later")).rejects.toBeInstanceOf(TimeoutError);
		expect(qemu.commands).toEqual(["first", "query-name"]);
	});

	it("asks for one sign, however many get no answer", async () => {
		const { qemu, ask } = start();
		for (const name of ["1", "2", "3", "4"]) void ask(name);
		for (const name of ["1", "2", "3", "4"]) qemu.of(name).reject(late);
		await settle();
		expect(
			qemu.commands.filter((command) => command === "query-name"),
		).toHaveLength(1);
	});

	it.each<[string, (probe: Sent) => void]>([
		["is answered", (probe) => probe.resolve({})],
		["is refused", (probe) => probe.reject(new Error("no such command"))],
		["is cut off", (probe) => probe.reject(new DisconnectedError("gone"))],
	])("goes on when the sign %s", async (_what, act) => {
		const { qemu, ask } = start();
		void ask("first");
		qemu.of("first").reject(late);
		await settle();
		act(qemu.of("query-name"));
		await settle();
		const answer = ask("second");
		qemu.of("second").resolve("fine");
		expect(await answer).toBe("fine");
	});

	it("can have as many on their way as before, after a stall", async () => {
		const { qemu, ask } = start();
		for (const name of ["1", "2", "3"]) void ask(name);
		void ask("a", "bulk");
		for (const name of ["1", "2", "3", "a"]) qemu.of(name).reject(late);
		await settle();
		qemu.of("query-name").resolve({});
		await settle();
		void ask("b", "bulk");
		for (const name of ["5", "6", "7", "8"]) void ask(name);
		expect(qemu.commands.slice(-4)).toEqual(["b", "5", "6", "7"]);
	});

	it("does not stall for a loss: the next may be asked at once", async () => {
		const { qemu, ask } = start();
		const first = ask("first");
		qemu.of("first").reject(new DisconnectedError("gone"));
		await expect(first).rejects.toBeInstanceOf(DisconnectedError);
		void ask("second");
		expect(qemu.commands).toEqual(["first", "second"]);
	});
});
