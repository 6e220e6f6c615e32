/** How far a command is, on stderr, where that is a terminal. */
import { SingleBar } from "cli-progress";

export interface Progress {
	show(progress: { readonly done: number; readonly total: number }): void;
	/** Removes it. */
	stop(): void;
}

/** Shows nothing if stderr is no terminal, nor if stdout is one, where the result appears. */
export function startProgress(): Progress {
	if (!process.stderr.isTTY) return { show() {}, stop() {} };
	const bar = new SingleBar({
		format: "{bar} {percentage} % of {total}, {eta_formatted} to go",
		stream: process.stderr,
		clearOnComplete: true,
		hideCursor: true,
		etaBuffer: 200,
	});
	return {
		show({ done, total }) {
			if (!bar.isActive) bar.start(total, done);
			bar.setTotal(total);
			bar.update(done);
		},
		stop: () => bar.stop(),
	};
}
