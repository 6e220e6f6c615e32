/**
 * A recorded machine behind a QMP socket, for where no QEMU can be had: whatever talks QMP
 * to it takes the same path as with a real one. `node tools/recordedMachine.ts SOCKET`
 * records a running machine into recorded-machine.json.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import {
	formatJson,
	type Json,
	type JsonObject,
	parseJson,
} from "../src/json.ts";
import { parseAddress } from "../src/qmp/address.ts";
import { MessageSplitter } from "../src/qmp/messageSplitter.ts";
import { connectSession } from "../src/qmp/openSession.ts";
import { RequestQueue } from "../src/qmp/requestQueue.ts";
import { LiveSource } from "../src/qom/live.ts";
import { joinPath, rootPath } from "../src/qom/path.ts";
import { parseType } from "../src/qom/types.ts";

/** name -> [type, value], or [type] where QEMU refused to read it. */
type RecordedObject = Record<string, [type: string, value?: Json]>;

interface Recording {
	readonly qemu: JsonObject;
	readonly objects: Record<string, RecordedObject>;
}

const file = new URL("recorded-machine.json", import.meta.url);

/** Serves the recording on a unix socket until the server is closed. */
export function serveRecordedMachine(path: string): Promise<Server> {
	const recording = parseJson(
		readFileSync(file, "utf8"),
	) as unknown as Recording;
	const server = createServer((socket) => converse(socket, recording));
	return new Promise((resolve, reject) => {
		server.once("error", reject);
		server.listen(path, () => resolve(server));
	});
}

function converse(socket: Socket, recording: Recording): void {
	const splitter = new MessageSplitter();
	const send = (message: Json) => socket.write(`${formatJson(message)}\r\n`);
	send({ QMP: { version: recording.qemu, capabilities: [] } });
	socket.on("error", () => socket.destroy());
	socket.on("data", (chunk) => {
		for (const text of splitter.push(chunk)) {
			const request = parseJson(text) as JsonObject;
			const { id = null } = request;
			send({ ...(answer(request, recording) as JsonObject), id });
		}
	});
}

function answer(request: JsonObject, { objects }: Recording): Json {
	const args = (request.arguments ?? {}) as JsonObject;
	const path = String(args.path);
	const object = objects[path];
	switch (request.execute) {
		case "qmp_capabilities":
			return { return: {} };
		case "qom-list":
			if (!object)
				return refuse(`Device '${path}' not found`, "DeviceNotFound");
			return {
				return: Object.entries(object).map(([name, [type]]) => ({
					name,
					type,
				})),
			};
		case "qom-get": {
			if (!object)
				return refuse(`Device '${path}' not found`, "DeviceNotFound");
			const name = `${object.type?.[1]}.${args.property}`;
			const property = object[String(args.property)];
			if (!property) return refuse(`Property '${name}' not found`);
			return property.length === 2
				? { return: property[1] as Json }
				: refuse(`Property '${name}' is not readable`);
		}
		case "qom-set":
			return refuse(`Property '${args.property}' is not writable`);
		default:
			return refuse(
				`The command ${request.execute} has not been found`,
				"CommandNotFound",
			);
	}
}

function refuse(desc: string, errorClass = "GenericError"): Json {
	return { error: { class: errorClass, desc } };
}

async function record(address: string): Promise<Recording> {
	const session = await connectSession(parseAddress(address));
	const source = new LiveSource(new RequestQueue(session));
	const objects: Record<string, RecordedObject> = {};
	const walk = async (path: string) => {
		const object: RecordedObject = {};
		objects[path] = object;
		for (const { name, type } of await source.list(path)) {
			object[name] = await source.get(path, name).then(
				(value): [string, Json] => [type, value],
				(): [string] => [type],
			);
			if (parseType(type).kind === "child") await walk(joinPath(path, name));
		}
	};
	await walk(rootPath);
	const { package: distribution, ...qemu } = session.greeting.version;
	await session.close();
	return { qemu: { qemu, package: distribution }, objects };
}

if (import.meta.main) {
	const recording = await record(process.argv[2] ?? "");
	// One object a line, so that a new recording can be compared with the old one.
	const lines = Object.entries(recording.objects).map(
		([path, object]) =>
			`${formatJson(path)}:${formatJson(object as unknown as Json)}`,
	);
	writeFileSync(
		file,
		`{"qemu":${formatJson(recording.qemu)},"objects":{\n${lines.join(",\n")}\n}}\n`,
	);
}
