/** What can be done with what is seen. */
import { type FileHandle, open } from "node:fs/promises";
import type { QmpEvent } from "../../qmp/messages.ts";
import type { Change, Sight } from "../../qom/watcher.ts";
import { cannotWrite } from "../wholeFile.ts";

/** All times in milliseconds since 1970. */
export interface WatchOutput {
	/** What there is at first. */
	begin?(sight: Sight, timeMs: number): void;
	change(change: Change, timeMs: number): void;
	event?(event: QmpEvent): void;
	/** After each look. @throws QomfsError */
	flush?(): Promise<void>;
	/** @throws QomfsError */
	end?(timeMs: number): Promise<void>;
}

/** A file that grows. */
export class TextFile {
	readonly #path: string;
	readonly #handle: FileHandle;
	#waiting = "";

	/** @throws QomfsError it cannot be written */
	static async create(path: string): Promise<TextFile> {
		const handle = await open(path, "w").catch((cause) => {
			throw cannotWrite(path, cause);
		});
		return new TextFile(path, handle);
	}

	private constructor(path: string, handle: FileHandle) {
		this.#path = path;
		this.#handle = handle;
	}

	/** Keeps it until {@link flush}. */
	write(text: string): void {
		this.#waiting += text;
	}

	/** @throws QomfsError */
	async flush(): Promise<void> {
		const text = this.#waiting;
		this.#waiting = "";
		if (text === "") return;
		await this.#handle.appendFile(text).catch((cause) => {
			throw cannotWrite(this.#path, cause);
		});
	}

	/** @throws QomfsError */
	async close(): Promise<void> {
		try {
			await this.flush();
		} finally {
			await this.#handle.close();
		}
	}
}
