/** `qomfs replay`: plays recorded values back into a machine. */
import { setTimeout as sleep } from "node:timers/promises";
import {
	beginningOf,
	QomError,
	QomfsError,
	TimeoutError,
	ValueError,
} from "../../errors.ts";
import type { Json } from "../../json.ts";
import { formatValue, incomplete, kindOfValue } from "../../qom/codec.ts";
import { isSecret } from "../../qom/guard.ts";
import type { QomPath } from "../../qom/path.ts";
import type { PropertyInfo, QomSource } from "../../qom/source.ts";
import { write } from "../../qom/write.ts";
import type { CommandDefinition } from "../command.ts";
import { untilSignal } from "../endings.ts";
import { ClassifiedError, statusOf } from "../exitStatus.ts";
import {
	lasting,
	type MachineFlags,
	sourceOf,
	withMachine,
} from "../openSource.ts";
import {
	monitorHelp,
	parsePositive,
	socketOption,
	timeoutOption,
} from "../options.ts";
import { errorLine, noteLine } from "../text.ts";
import {
	type RecordedValue,
	type Recording,
	readRecording,
} from "../watch/recording.ts";

interface ReplayFlags extends MachineFlags {
	readonly speed?: number;
	readonly restore?: true;
}

export const command: CommandDefinition<ReplayFlags> = {
	arguments: [
		{ name: "<file>", help: "of 'qomfs watch --record'" },
		{ name: "[source]", help: `${monitorHelp} (default: QMP_SOCKET)` },
	],
	options: [
		{
			flags: "--speed <factor>",
			help: "so many times as fast (default: 1)",
			parse: parsePositive,
		},
		{
			flags: "--restore",
			help: "set the values that were there before when it ends",
		},
		timeoutOption,
		socketOption,
	],
	async run([file = "", source], flags) {
		const read = await readRecording(file);
		const values = read.isRecorded ? whatChanges(read.values) : read.values;
		const recording = { ...read, values };
		if (recording.values.length === 0)
			throw new QomfsError(`${file}: nothing changes in it`);
		const socket = source ?? sourceOf(flags);
		await untilSignal((signal) =>
			withMachine(
				{ ...flags, socket },
				({ source }) => replay(source, recording, flags, signal),
				lasting,
			),
		);
	},
};

/** Without the properties that have one value from beginning to end: most of them cannot be set. */
function whatChanges(
	values: readonly RecordedValue[],
): readonly RecordedValue[] {
	const counts = Map.groupBy(values, keyOf);
	return values.filter(
		(each) => each.at > 0 || (counts.get(keyOf(each))?.length ?? 0) > 1,
	);
}

function keyOf({ path, property }: RecordedValue): string {
	return `${path}.${property}`;
}

/** A property that is set. */
interface Played {
	readonly path: QomPath;
	readonly info: PropertyInfo;
	/** What it had when the replay began. */
	readonly before: Json;
}

/** @throws QomError it is not there, or cannot be read */
async function lookAt(
	source: QomSource,
	{ path, property }: RecordedValue,
): Promise<Played> {
	const before = await source.get(path, property);
	const entries = await source.list(path);
	const info = entries.find(({ name }) => name === property);
	return { path, before, info: info ?? { name: property, type: "" } };
}

/** @throws QomfsError some values were refused */
async function replay(
	source: QomSource,
	{ values, endSec }: Recording,
	{ speed = 1, restore }: ReplayFlags,
	signal: AbortSignal,
): Promise<void> {
	const refused = new Set<string>();
	const refusal = (error: unknown) => {
		if (!(error instanceof QomError || error instanceof ValueError))
			throw error;
		const text = errorLine(error);
		if (!refused.has(text)) process.stderr.write(`qomfs: ${text}\n`);
		refused.add(text);
		return undefined;
	};
	const properties = new Map<string, Played | undefined>();
	for (const each of values)
		if (!properties.has(keyOf(each)))
			properties.set(keyOf(each), await lookAt(source, each).catch(refusal));
	const set = async (played: Played | undefined, value: Json) => {
		if (played) await setValue(source, played, value).catch(refusal);
	};
	const beginMs = performance.now();
	const until = async (atSec: number) => {
		const waitMs = beginMs + (atSec * 1000) / speed - performance.now();
		if (waitMs > 0) await sleep(waitMs, undefined, { signal });
	};
	try {
		for (const each of values) {
			await until(each.at);
			await set(properties.get(keyOf(each)), each.value);
		}
		await until(endSec);
	} finally {
		if (restore) {
			const played = [...properties.values()].filter(
				(each) => each !== undefined,
			);
			await putBack(played, set);
		}
	}
	if (refused.size > 0)
		throw new QomfsError("some values were refused, see above");
}

/** Characters of a value in a message. */
const maxShown = 60;

/**
 * Each that could not be put back is named: the user may do it by hand.
 *
 * @throws ClassifiedError the machine has failed
 */
async function putBack(
	properties: readonly Played[],
	set: (played: Played, value: Json) => Promise<void>,
): Promise<void> {
	let failure: QomfsError | undefined;
	for (const played of properties) {
		const { path, info, before } = played;
		try {
			// To wait in vain for one is enough.
			if (!failure) await set(played, before);
		} catch (error) {
			if (!(error instanceof QomfsError)) throw error;
			failure = error;
		}
		if (!failure) continue;
		const reason =
			failure instanceof TimeoutError
				? "QEMU gave no answer in time"
				: failure.message;
		const value = isSecret(undefined, info.name)
			? "its secret"
			: beginningOf(formatValue(before), maxShown);
		process.stderr.write(
			noteLine(`${path}.${info.name}: not put back to ${value}: ${reason}`),
		);
	}
	if (failure)
		throw new ClassifiedError(
			"some values were not put back, see above",
			statusOf(failure),
		);
}

/** The way of every write: guarded, and in the kind that the property takes. */
async function setValue(
	source: QomSource,
	{ path, info }: Played,
	value: Json,
): Promise<void> {
	const text = formatValue(value);
	const kind = kindOfValue(value);
	try {
		const set = await write(source, { object: path, info, text, kind });
		if (set === incomplete) throw new ValueError(`${text} is no value`);
	} catch (error) {
		if (!(error instanceof ValueError)) throw error;
		throw new ValueError(`${path}.${info.name}: ${error.message}`);
	}
}
