/** A transport without a socket: what is sent is kept, what is received is said by the test. */
import { DisconnectedError, type QomfsError } from "../../src/errors.ts";
import { type Json, type JsonObject, parseJson } from "../../src/json.ts";
import { QmpSession } from "../../src/qmp/session.ts";
import type { Transport } from "../../src/qmp/transport.ts";

export class FakeTransport implements Transport {
	onMessage: Transport["onMessage"] = () => {};
	onClose: Transport["onClose"] = () => {};
	readonly sent: JsonObject[] = [];
	isOpen = true;

	send(text: string): number {
		this.sent.push(parseJson(text) as JsonObject);
		return text.length;
	}

	close(): void {
		queueMicrotask(() => this.end(new DisconnectedError("closed")));
	}

	async explainSilence(): Promise<QomfsError> {
		return new DisconnectedError("silence");
	}

	async explainEnd(): Promise<undefined> {}

	async explainLasting(): Promise<undefined> {}

	end(reason: QomfsError): void {
		if (this.isOpen) this.onClose(reason);
		this.isOpen = false;
	}

	receive(message: Json): void {
		const text = JSON.stringify(message);
		this.onMessage(text, text.length);
	}
}

export function fakeSession(timeoutMs = 1000) {
	const transport = new FakeTransport();
	const session = new QmpSession(
		transport,
		{
			kind: "greeting",
			version: { major: 7, minor: 2, micro: 0, package: "" },
			capabilities: [],
			message: {},
		},
		timeoutMs,
	);
	return { transport, session };
}
