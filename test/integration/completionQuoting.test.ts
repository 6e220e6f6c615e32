/**
 * Names of a machine at the prompts of real shells: what TAB makes of them, the shell passes on as
 * the very name, and runs nothing of it.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { HostileServer } from "../support/hostileServer.ts";
import { run } from "../support/mounted.ts";
import { Tools } from "../support/tools.ts";

interface Shell {
	readonly command: string;
	/** Loads the completion, and makes of `qom-list` what writes its arguments to `$OUT`. */
	readonly setUp: string;
	/** Whether it closes a quote though the word may go on. */
	readonly closesQuotes?: true;
}

const writesArguments = `qom-list() { printf '%s\\0' "$@" > $OUT.new; mv $OUT.new $OUT; }`;

const shells: Record<string, Shell> = {
	bash: {
		command: "bash --norc --noprofile -i",
		closesQuotes: true,
		setUp: `bind 'set enable-bracketed-paste off'; source <(qomfs completion bash); ${writesArguments}`,
	},
	zsh: {
		command: "zsh -f -i",
		setUp: `autoload -Uz compinit; compinit -D -u; source <(qomfs completion zsh); ${writesArguments}`,
	},
	fish: {
		command: "fish --no-config",
		setUp:
			"qomfs completion fish | source; function qom-list; printf '%s\\0' $argv > $OUT.new; mv $OUT.new $OUT; end",
	},
};

const chosen = [
	...[
		"$(touch pwned)",
		"`touch pwned`",
		'"; touch pwned; "',
		"'; touch pwned; '",
	],
	...[
		"!!",
		"!touch",
		"a b",
		"~",
		"*",
		"[0]",
		"a\\b",
		"a\\",
		"é😀",
		"x=y:z@w",
		"#",
		"{a,b}",
	],
	...[
		"$HOME",
		"-rf",
		"a'b\"c!d",
		"^a^b",
		"%1",
		";",
		"&",
		"|",
		"<",
		">",
		"(",
		")",
	],
];
const random = fc.sample(
	fc.string({
		unit: fc.constantFrom(
			...chosen.join("").replaceAll("/", ""),
			"touch pwned",
		),
		minLength: 1,
		maxLength: 12,
	}),
	12,
);
/** The beginning of each is its alone. */
const names = [...chosen, ...random].map((name, index) => `n${index}_${name}`);

describe.each(Object.entries(shells))(
	"names at a prompt of %s",
	(name, shell) => {
		let tools: Tools;
		let server: HostileServer;
		let out = "";
		let prompt: ChildProcess | undefined;
		let isMissing = false;

		beforeAll(async () => {
			tools = await Tools.create();
			tools.socket = join(tools.directory, "vm.sock");
			out = join(tools.directory, "out");
			server = await HostileServer.listen(tools.socket);
			server.tree = {
				"/": [{ name: "t", type: "child<container>" }],
				"/t": [...names, "bad\nname", "bad\x1bname", "bad\ud800name"].map(
					(name) => ({
						...{ name, type: "child<container>" },
					}),
				),
			};
			isMissing = (await run("sh", ["-c", `command -v ${name}`])).status !== 0;
			if (isMissing) return;
			prompt = spawn("script", ["-qec", shell.command, "/dev/null"], {
				stdio: ["pipe", "pipe", "ignore"],
				cwd: tools.directory,
				env: tools.environment({
					TERM: "dumb",
					// fish leaves a directory in /tmp without it.
					XDG_RUNTIME_DIR: tools.directory,
					// In another one zsh itself takes what is beyond ASCII apart.
					LC_ALL: "C.UTF-8",
					OUT: out,
					HOME: tools.directory,
				}),
			});
			prompt.stdout?.resume();
			prompt.stdin?.write(`${shell.setUp}\n`);
		});

		afterAll(async () => {
			if (prompt) {
				const ended = once(prompt, "exit");
				prompt.kill("SIGKILL");
				await ended;
			}
			await server.close();
			await tools.remove();
		});

		/** The arguments of what is typed. */
		async function typed(text: string): Promise<string[]> {
			await rm(out, { force: true });
			prompt?.stdin?.write(text);
			await expect.poll(() => existsSync(out), { interval: 20 }).toBe(true);
			return (await readFile(out, "utf8")).split("\0").slice(0, -1);
		}

		it.each(["", '"', "'"])("behind %j", async (quote) => {
			if (isMissing) return;
			for (const [index, name] of names.entries()) {
				const words = await typed(
					`qom-list ${quote}/t/n${index}_\t${shell.closesQuotes ? "" : quote}\n`,
				);
				expect(words).toEqual([`/t/${name}/`]);
			}
			expect(existsSync(join(tools.directory, "pwned"))).toBe(false);
		});

		it("offers none that has a control character", async () => {
			if (isMissing) return;
			expect(await typed("qom-list /t/bad\t\n")).toEqual(["/t/bad"]);
		});
	},
);
