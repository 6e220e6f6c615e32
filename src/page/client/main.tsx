/** The page: a tree of objects, one object, a search, and pictures of the machine. */
import { render } from "preact";
import {
	useCallback,
	useEffect,
	useMemo,
	useReducer,
	useRef,
	useState,
} from "preact/hooks";
import type { PageData } from "../data.ts";
import { DifferencesView } from "./differencesView.tsx";
import { EventsView } from "./eventsView.tsx";
import { Live } from "./live.ts";
import { MemoryView } from "./memoryView.tsx";
import { hrefOf, type Model, modelOf, Search } from "./model.ts";
import { ObjectView } from "./objectView.tsx";
import { Picture } from "./picture.tsx";
import { SearchView } from "./searchView.tsx";
import { Tree } from "./tree.tsx";

const views = {
	objects: "Objects",
	topology: "Topology",
	memory: "Memory",
	events: "Events",
	differences: "Differences",
} as const;

type View = keyof typeof views;

interface Place {
	readonly view: View;
	/** Of the object that is shown; empty where none is. */
	readonly path: string;
	/** A path that is of no object. */
	readonly missing?: string;
}

/** Somebody may have typed anything. */
function decoded(text: string): string {
	try {
		return decodeURI(text);
	} catch {
		return text;
	}
}

/** What the address of the page shows: `#/machine/...`, or `#topology`. */
function readPlace(model: Model): Place {
	const text = decoded(location.hash.slice(1));
	if (Object.hasOwn(views, text)) return { view: text as View, path: "" };
	if (text === "" || model.objects.has(text))
		return { view: "objects", path: text || "/machine" };
	return { view: "objects", path: "", missing: text };
}

function Page({ data }: { readonly data: PageData }) {
	const { machine, differences, before } = data;
	const [, redraw] = useReducer((turn: number) => turn + 1, 0);
	const [live] = useState(
		() => data.live && new Live(data.live.isWritable, () => redraw(undefined)),
	);
	const model = useMemo(() => modelOf(machine), [machine]);
	const search = useMemo(() => new Search(model), [model]);
	const [place, setPlace] = useState(() => readPlace(model));
	const [lastPath, setLastPath] = useState(place.path || "/machine");
	const [open, setOpen] = useState<ReadonlySet<string>>(
		() => new Set(["/", "/machine", ...aboves(place.path)]),
	);
	const [wanted, setWanted] = useState("");
	const field = useRef<HTMLInputElement>(null);
	const hits = useMemo(() => search.find(wanted), [search, wanted]);

	useEffect(() => {
		const follow = () => {
			const next = readPlace(model);
			setPlace(next);
			if (next.path === "") return;
			setLastPath(next.path);
			setOpen((open) => new Set([...open, ...aboves(next.path)]));
		};
		const shortcut = (event: KeyboardEvent) => {
			const isTyping =
				event.target instanceof HTMLInputElement &&
				event.target.type !== "checkbox";
			if (event.key !== "/" || isTyping || event.ctrlKey || event.metaKey)
				return;
			event.preventDefault();
			field.current?.focus();
		};
		addEventListener("hashchange", follow);
		addEventListener("keydown", shortcut);
		return () => {
			removeEventListener("hashchange", follow);
			removeEventListener("keydown", shortcut);
		};
	}, [model]);

	const visit = useCallback((path: string) => {
		setWanted("");
		location.hash = hrefOf(path);
	}, []);
	const pass = useCallback((path: string) => {
		// The way back leads to what was visited, not to what was passed.
		history.replaceState(null, "", hrefOf(path));
		dispatchEvent(new HashChangeEvent("hashchange"));
	}, []);

	const object = model.objects.get(place.path || lastPath) ?? model.root;
	const title = [machine.machine, machine.qemu && `QEMU ${machine.qemu}`]
		.filter((part) => part)
		.join(", ");
	const shownViews = (Object.keys(views) as View[]).filter(
		(view) =>
			(view !== "differences" || differences) && (view !== "events" || live),
	);
	const isSearching = wanted.trim() !== "";
	return (
		<>
			<header>
				<h1>
					<bdi>{title || "A machine"}</bdi>
				</h1>
				<p class="caption">
					<bdi>{machine.source}</bdi>,{" "}
					{machine.time.replace("T", " ").replace(/\.\d+Z$/, " UTC")}
				</p>
				<nav aria-label="Views">
					{shownViews.map((view) => (
						<a
							key={view}
							href={view === "objects" ? hrefOf(lastPath) : `#${view}`}
							aria-current={place.view === view ? "page" : undefined}
						>
							{views[view]}
							{view === "differences" && ` (${differences?.length})`}
							{view === "events" && ` (${live?.events.length})`}
						</a>
					))}
				</nav>
				<input
					ref={field}
					type="search"
					placeholder="Search names, values, types ( / )"
					aria-label="Search names, values and types"
					value={wanted}
					onInput={(event) => setWanted(event.currentTarget.value)}
					onKeyDown={(event) => {
						if (event.key === "Escape") setWanted("");
						if (event.key === "ArrowDown")
							document.querySelector<HTMLElement>("[role=listbox]")?.focus();
						if (event.key === "Enter" && hits[0]) visit(hits[0].object.path);
					}}
				/>
			</header>
			{live && <StateLine live={live} />}
			<main class={place.view === "objects" || isSearching ? "two" : "one"}>
				{isSearching ? (
					<div class="side found">
						<SearchView hits={hits} onSelect={visit} />
					</div>
				) : (
					place.view === "objects" && (
						<div class="side">
							<Tree
								{...{ model, open }}
								selected={object.path}
								onOpen={(path, isOpen) =>
									setOpen((open) => {
										const next = new Set(open);
										if (isOpen) next.add(path);
										else next.delete(path);
										return next;
									})
								}
								onSelect={(path, how) =>
									how === "visit" ? visit(path) : pass(path)
								}
							/>
						</div>
					)
				)}
				{place.missing !== undefined && !isSearching ? (
					<p class="object empty" role="alert">
						There is no object <bdi>{place.missing}</bdi> here.
					</p>
				) : (
					(place.view === "objects" || isSearching) && (
						<ObjectView
							key={object.path}
							{...{ model, object }}
							source={machine.source}
							live={live}
						/>
					)
				)}
				{!isSearching && place.view === "topology" && (
					<Picture svg={machine.picture} onSelect={visit} />
				)}
				{!isSearching && place.view === "memory" && (
					<MemoryView memory={machine.memory} />
				)}
				{!isSearching && place.view === "events" && live && (
					<EventsView events={live.events} />
				)}
				{!isSearching && place.view === "differences" && differences && (
					<DifferencesView
						title={before?.title ?? ""}
						differences={differences}
					/>
				)}
			</main>
		</>
	);
}

/** What is wrong, if anything is. */
function StateLine({ live }: { readonly live: Live }) {
	const text = live.isConnected
		? live.isOutdated
			? "The machine has other objects now."
			: ""
		: `Not connected: ${live.reason}`;
	return (
		<p role="status" class={text ? "state" : "state none"}>
			{text}{" "}
			{live.isOutdated && live.isConnected && (
				<button type="button" onClick={() => location.reload()}>
					Load it again
				</button>
			)}
		</p>
	);
}

/** The paths above a path. */
function aboves(path: string): string[] {
	const names = path.split("/").slice(1, -1);
	return [
		"/",
		...names.map((_name, index) => `/${names.slice(0, index + 1).join("/")}`),
	];
}

const holder = document.getElementById("page");
const data: PageData = JSON.parse(
	document.getElementById("data")?.textContent ?? "null",
);
if (holder) render(<Page data={data} />, holder);
