/** A list of any length, of which only what can be seen is in the page. */
import {
	elementScroll,
	observeElementOffset,
	observeElementRect,
	Virtualizer,
} from "@tanstack/virtual-core";
import type { ComponentChildren } from "preact";
import {
	useEffect,
	useLayoutEffect,
	useReducer,
	useRef,
	useState,
} from "preact/hooks";

export const rowHeight = 28;

interface VirtualListProps {
	readonly count: number;
	/** The row that must be in sight, such as the one at the cursor. */
	readonly current?: number | undefined;
	readonly role: "tree" | "listbox" | "list";
	readonly label: string;
	/** Id of the row at the cursor. */
	readonly activeId?: string | undefined;
	readonly onKeyDown?: (event: KeyboardEvent) => void;
	readonly row: (index: number) => ComponentChildren;
}

export function VirtualList(props: VirtualListProps) {
	const { count, current, role, label, activeId, onKeyDown, row } = props;
	const scroller = useRef<HTMLDivElement>(null);
	const [, redraw] = useReducer((turn: number) => turn + 1, 0);
	const options = {
		count,
		getScrollElement: () => scroller.current,
		estimateSize: () => rowHeight,
		overscan: 10,
		scrollToFn: elementScroll,
		observeElementRect,
		observeElementOffset,
		onChange: () => redraw(undefined),
	};
	const [list] = useState(
		() => new Virtualizer<HTMLDivElement, Element>(options),
	);
	list.setOptions({ ...list.options, ...options });
	useEffect(() => list._didMount(), [list]);
	useLayoutEffect(() => list._willUpdate());
	useEffect(() => {
		if (current !== undefined && current >= 0) list.scrollToIndex(current);
	}, [list, current, count]);
	return (
		// biome-ignore lint/a11y/noStaticElementInteractions: it has one of the three roles
		// biome-ignore lint/a11y/useAriaPropsSupportedByRole: all of which have a label
		<div
			ref={scroller}
			class="list"
			role={role}
			aria-label={label}
			aria-activedescendant={activeId}
			tabIndex={0}
			onKeyDown={onKeyDown}
		>
			<div role="presentation" style={{ height: `${list.getTotalSize()}px` }}>
				{list.getVirtualItems().map(({ index, start }) => (
					<div
						key={index}
						role="presentation"
						class="place"
						style={{ transform: `translateY(${start}px)` }}
					>
						{row(index)}
					</div>
				))}
			</div>
		</div>
	);
}
