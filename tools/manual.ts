/**
 * Writes the manual pages into `dist/man`. What stands in --help is read from the definitions
 * of the commands; the rest is prose, in `man/*.md`. A line `<!-- WORDS -->` there is replaced:
 * `synopsis`, `options`, `command NAME`, or a section of `man/common.md`.
 */
import {
	mkdirSync,
	readdirSync,
	readFileSync,
	rmSync,
	writeFileSync,
} from "node:fs";
import { join } from "node:path";
import type { Command } from "commander";
import { Marked, type MarkedExtension } from "marked";
// @ts-expect-error: it comes without types.
import untypedMarkedMan from "marked-man";
import type { HelpEntry, HelpList, Program } from "../src/cli/command.ts";
import { launcherNames } from "../src/cli/launchers.ts";
import { createProgram } from "../src/cli/program.ts";

const project = join(import.meta.dirname, "..");
const sources = join(project, "man");

/** A page that has been made. */
export interface ManualPage {
	/** Such as `qomfs.1`. */
	readonly file: string;
	readonly roff: string;
}

/** All pages, made from what `man` and `src` say now. */
export function manualPages(): Promise<readonly ManualPage[]> {
	const files = readdirSync(sources)
		.filter((file) => /\.\d\.md$/.test(file))
		.sort();
	return Promise.all(
		files.map(async (file) => {
			const page = file.slice(0, -".md".length);
			const text = readFileSync(join(sources, file), "utf8");
			return { file: page, roff: roffOf(await completed(page, text)) };
		}),
	);
}

/** What --help lists: arguments, options, and the lists below them. */
function helpLists({ command, definition }: Program): readonly HelpList[] {
	const help = command.createHelp();
	const lists = [
		{
			title: "Arguments",
			entries: help.visibleArguments(command).map((argument) => ({
				term: help.argumentTerm(argument),
				meaning: help.argumentDescription(argument),
			})),
		},
		{
			title: "Options",
			entries: help.visibleOptions(command).map((option) => ({
				term: help.optionTerm(option),
				meaning: help.optionDescription(option),
			})),
		},
		...(definition?.lists ?? []),
	];
	return lists.filter(({ entries }) => entries.length > 0);
}

/** The commands that --help lists, in its order. */
export function visibleCommands({
	command,
	subcommands,
}: Program): readonly Program[] {
	return command
		.createHelp()
		.visibleCommands(command)
		.map(
			(visible) =>
				subcommands.find((each) => each.command === visible) ?? {
					command: visible, // commander's own help
					definition: undefined,
					subcommands: [],
				},
		);
}

/** The Markdown of a page with everything that its marked lines stand for. */
async function completed(page: string, text: string): Promise<string> {
	const launcher = launcherNames.find((name) => `${name}.1` === page);
	const program = launcher ? await createProgram(launcher) : undefined;
	const pieces = new Map([
		...commonPieces(),
		...(program ? helpPieces(program) : []),
	]);
	const full = text.replace(/^<!-- (.*) -->$/gm, (_line, words: string) => {
		const piece = pieces.get(words);
		if (piece === undefined)
			throw new Error(`man/${page}.md: nothing is called '${words}'`);
		return piece;
	});
	if (!program) return full;
	const about = program.command.description().replace(/\.$/, "");
	const name = about[0]?.toLowerCase() + about.slice(1);
	return full.replace(/^# .*/, (heading) => `${heading} -- ${name}`);
}

/** Prose that several pages share: every section of `man/common.md` by its name. */
function commonPieces(): [string, string][] {
	const text = readFileSync(join(sources, "common.md"), "utf8");
	return text
		.split(/^## /m)
		.slice(1)
		.map((section) => {
			const [name = "", ...lines] = section.split("\n");
			return [name, lines.join("\n").trim()];
		});
}

function helpPieces(program: Program): [string, string][] {
	const { command } = program;
	const commands = visibleCommands(program);
	const called = commands.length > 0 ? commands : [program];
	const synopsis = called.map((each) => usage(command, each.command));
	return [
		["synopsis", synopsis.join("\\\n")],
		["options", listsText(program, (title) => `\n## ${title.toUpperCase()}\n`)],
		...commands.map((each): [string, string] => [
			`command ${each.command.name()}`,
			commandText(command, each),
		]),
	];
}

/** The beginning of a command's sub-section: how it is called, what it does, what it takes. */
function commandText(parent: Command, program: Program): string {
	const about = program.command.description();
	const sentence = `${about[0]?.toUpperCase()}${about.slice(1)}.`;
	return [
		usage(parent, program.command),
		escaped(sentence),
		listsText(program, (title) => `${title}:\n`),
	].join("\n\n");
}

/** All lists of --help, each below its heading. */
function listsText(
	program: Program,
	headingOf: (title: string) => string,
): string {
	const texts = helpLists(program).map(
		({ title, entries }) =>
			`${headingOf(title)}\n${entries.map((entry) => entryText(entry, title === "Arguments")).join("\n")}`,
	);
	return texts.join("\n\n");
}

function entryText({ term, meaning }: HelpEntry, isArgument: boolean): string {
	return `- ${isArgument ? `*${escaped(term)}*` : termText(term)}: ${escaped(meaning)}`;
}

/** Bold is typed as it stands, italics are replaced: `-s, --socket <socket>`. */
function termText(term: string): string {
	return term
		.split(/([<>[\],|=\s]|\.{3})/)
		.filter((part) => part !== "" && part !== "<" && part !== ">")
		.map((part, index) => {
			if (/^[[\],|=\s]$|^\.{3}$/.test(part)) return escaped(part);
			return part.startsWith("-") || index === 0
				? `**${escaped(part)}**`
				: `*${escaped(part)}*`;
		})
		.join("");
}

/** How a command is called, in the manual's type. */
function usage(program: Command, command: Command): string {
	const names = command === program ? [program] : [program, command];
	const words = command
		.usage()
		.replace(
			/<([^>.]*)(\.{3})?>|\[([^\].]*)(\.{3})?\]|[A-Z]+/g,
			(match, name?: string, more = "", optional?: string, again = "") => {
				if (name) return `*${name}*${more}`;
				// Words in capitals are placeholders already, with a form of their own.
				if (optional && !/[A-Z]/.test(optional))
					return `\\[*${optional}*${again}\\]`;
				return optional
					? escaped(match).replace(/[A-Z]+/g, "*$&*")
					: `*${match}*`;
			},
		);
	return `**${names.map((each) => each.name()).join(" ")}** ${words}`;
}

function escaped(text: string): string {
	return text.replace(/[\\`*_{}[\]<>#&|~]/g, "\\$&");
}

const markedMan: MarkedExtension = untypedMarkedMan;

/** Where marked-man's own ways lose something, or are not those of manual pages. */
const corrections: MarkedExtension = {
	renderer: {
		// No date: the same sources make the same bytes.
		heading(_text, level, raw) {
			const [, name = "", section = "", about = ""] =
				/^([\w-]+)\((\d)\) -- (.*)$/.exec(raw) ?? [];
			if (level > 1) return false;
			const manual = section === "1" ? "User Commands" : "File Formats";
			return [
				`.TH "${name.toUpperCase()}" "${section}" "" "qomfs ${version()}" "${manual}"`,
				".SH NAME",
				`${roffEscaped(name)} \\- ${roffEscaped(about)}\n`,
			].join("\n");
		},
		// It drops blank lines and blanks before a dot.
		code(text) {
			const lines = text.split("\n").map(roffEscaped).join("\n");
			return `.PP\n.RS 4\n.EX\n${lines}\n.EE\n.RE\n`;
		},
		// It leaves the entities of quotation marks standing.
		codespan(text) {
			const quoted = text.replaceAll("&quot;", '"').replaceAll("&#39;", "'");
			return markedMan.renderer?.codespan?.call(this, quoted) ?? false;
		},
		list(body) {
			return body;
		},
		// `- **TERM**: MEANING` is a tagged paragraph; it knows only bullets.
		listitem(text) {
			const item = text.trim().replace(/^\.P\n/, "");
			const [, term, meaning] =
				/^(\\f[BI](?:[^:\\]|:(?! )|\\.)*): (.*)$/s.exec(item) ?? [];
			return term === undefined
				? `.IP \\(bu 2\n${item}\n`
				: `.TP\n${term}\n${meaning}\n`;
		},
	},
};

function roffEscaped(text: string): string {
	return text
		.replaceAll("\\", "\\e")
		.replaceAll("-", "\\-")
		.replace(/^[.']/, "\\&$&");
}

function roffOf(markdown: string): string {
	const marked = new Marked(markedMan, corrections, { breaks: false });
	const roff = marked.parse(markdown, { async: false }) as string;
	return roff
		.replace(/\n{2,}(?=\.)/g, "\n")
		.replace(/^(\.S[HS] .*\n)\.PP?\n/gm, "$1")
		.replace(/[ \t]+$/gm, "");
}

function version(): string {
	const text = readFileSync(join(project, "package.json"), "utf8");
	return JSON.parse(text).version;
}

async function writePages(): Promise<void> {
	const target = join(project, "dist/man");
	rmSync(target, { recursive: true, force: true });
	mkdirSync(target, { recursive: true });
	for (const { file, roff } of await manualPages())
		writeFileSync(join(target, file), roff);
}

if (process.argv[1] === import.meta.filename) await writePages();
