import { afterEach, describe, expect, it, vi } from "vitest";
import { RoundTrip } from "../../src/qmp/roundTrip.ts";
import { fakeSession } from "../support/fakeTransport.ts";

describe("a round trip", () => {
	it("is the shortest of the last eight", () => {
		const roundTrip = new RoundTrip();
		expect(roundTrip.ms).toBe(0);
		roundTrip.note(7, "{}");
		roundTrip.note(3, "{}");
		roundTrip.note(9, "{}");
		expect(roundTrip.ms).toBe(3);
		for (let count = 0; count < 7; count++) roundTrip.note(50, "{}");
		expect(roundTrip.ms).toBe(9);
		roundTrip.note(50, "{}");
		expect(roundTrip.ms).toBe(50);
	});

	it("is not measured by long answers, which QEMU takes a while to give", () => {
		const roundTrip = new RoundTrip();
		roundTrip.note(40, "x".repeat(1001));
		expect(roundTrip.ms).toBe(0);
	});
});

describe("the round trip of a session", () => {
	afterEach(() => {
		vi.useRealTimers();
	});

	it("is measured where QEMU owed nothing else when the command was sent", async () => {
		vi.useFakeTimers({ toFake: ["performance", "setTimeout"] });
		const { transport, session } = fakeSession();
		expect(session.roundTripMs).toBe(0);
		const first = session.execute("first");
		vi.advanceTimersByTime(30);
		const second = session.execute("second");
		vi.advanceTimersByTime(20);
		transport.receive({ return: {}, id: 0 });
		expect(session.roundTripMs).toBe(50);
		vi.advanceTimersByTime(1);
		transport.receive({ return: {}, id: 1 });
		await Promise.all([first, second]);
		expect(session.roundTripMs).toBe(50);
		const third = session.execute("third");
		vi.advanceTimersByTime(45);
		transport.receive({ error: { class: "GenericError", desc: "no" }, id: 2 });
		await expect(third).rejects.toThrow("no");
		expect(session.roundTripMs).toBe(45);
	});
});
