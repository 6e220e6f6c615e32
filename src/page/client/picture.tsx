/** The buses as a picture, to zoom, to move, and to follow. */
import { useEffect, useRef, useState } from "preact/hooks";

interface PictureProps {
	readonly svg: string;
	readonly onSelect: (path: string) => void;
}

const zoomStep = 1.25;

export function Picture({ svg, onSelect }: PictureProps) {
	const holder = useRef<HTMLDivElement>(null);
	const [zoom, setZoom] = useState(1);
	const size = useRef({ width: 0, height: 0 });
	useEffect(() => {
		if (svg === "") return;
		const root = new DOMParser().parseFromString(svg, "image/svg+xml")
			.documentElement as unknown as SVGSVGElement;
		const { width, height } = root.viewBox.baseVal;
		size.current = { width, height };
		root.setAttribute("role", "group");
		root.setAttribute("aria-label", "Buses and devices");
		for (const title of root.querySelectorAll("g.edge title, g.graph > title"))
			title.remove();
		holder.current?.replaceChildren(document.importNode(root, true));
		const own = holder.current?.querySelectorAll("g.node") ?? [];
		for (const node of own) makeLink(node, onSelect);
	}, [svg, onSelect]);
	useEffect(() => {
		const root = holder.current?.firstElementChild;
		root?.setAttribute("width", `${size.current.width * zoom}`);
		root?.setAttribute("height", `${size.current.height * zoom}`);
	}, [zoom, svg]);
	if (svg === "") return <p class="empty">This machine cannot be drawn.</p>;
	return (
		<div class="picture">
			<p class="tools">
				<button type="button" onClick={() => setZoom(zoom * zoomStep)}>
					Larger
				</button>
				<button type="button" onClick={() => setZoom(zoom / zoomStep)}>
					Smaller
				</button>
				<button type="button" onClick={() => setZoom(1)}>
					100 %
				</button>
			</p>
			<section
				ref={holder}
				class="canvas"
				aria-label="Picture of the buses"
				// biome-ignore lint/a11y/noNoninteractiveTabindex: the arrow keys scroll it
				tabIndex={0}
				onWheel={(event) => {
					if (!event.ctrlKey) return;
					event.preventDefault();
					setZoom(event.deltaY < 0 ? zoom * zoomStep : zoom / zoomStep);
				}}
			/>
		</div>
	);
}

/** The title of a node is the path of its object. */
function makeLink(node: Element, onSelect: (path: string) => void): void {
	const path = node.querySelector("title")?.textContent ?? "";
	node.setAttribute("role", "link");
	node.setAttribute("tabindex", "0");
	const shown = [...node.querySelectorAll("text")].map(
		(text) => text.textContent,
	);
	node.setAttribute("aria-label", [...shown, path].join(" "));
	node.addEventListener("click", (event) => {
		event.preventDefault();
		onSelect(path);
	});
	node.addEventListener("keydown", (event) => {
		if ((event as KeyboardEvent).key === "Enter") onSelect(path);
	});
}
