/** A value of a property, which may be edited where the page has a server that allows it. */
import { useEffect, useRef, useState } from "preact/hooks";
import type { Live } from "./live.ts";
import {
	hrefOf,
	type MachineObject,
	otherForms,
	type Property,
} from "./model.ts";

interface ValueProps {
	readonly property: Property;
	readonly object: MachineObject;
	readonly live: Live | undefined;
}

/** More of a text is shown when it is wanted. */
const longest = 300;

export function Value({ property, object, live }: ValueProps) {
	const [isEdited, setEdited] = useState(false);
	const pencil = useRef<HTMLButtonElement>(null);
	const wasEdited = useRef(false);
	useEffect(() => {
		// Whoever goes by keys goes on where the field was.
		if (wasEdited.current && !isEdited) pencil.current?.focus();
		wasEdited.current = isEdited;
	}, [isEdited]);
	const { kind } = property;
	const isEditable =
		live?.isWritable === true &&
		!["link", "child", "secret"].includes(kind) &&
		property.name !== "type";
	if (isEdited && live)
		return (
			<Editor {...{ property, object, live }} close={() => setEdited(false)} />
		);
	return (
		<>
			<Shown property={property} />
			{isEditable && (
				<button
					ref={pencil}
					type="button"
					class="edit"
					aria-label={`Change ${property.name}`}
					onClick={() => setEdited(true)}
				>
					✎
				</button>
			)}
		</>
	);
}

function Shown({ property: { kind, text } }: { readonly property: Property }) {
	switch (kind) {
		case "link":
			return text === "" ? (
				<span class="none">(unset)</span>
			) : (
				<a href={hrefOf(text)}>
					<bdi>{text}</bdi>
				</a>
			);
		case "secret":
			return <span class="none">(a secret)</span>;
		case "refused":
			return (
				<span class="none">
					<bdi>{text || "(it could not be read)"}</bdi>
				</span>
			);
		case "number": {
			const others = otherForms(text);
			return (
				<>
					<bdi>{text}</bdi>
					{others && <span class="forms"> {others}</span>}
				</>
			);
		}
		default:
			return <LongText text={text} />;
	}
}

function LongText({ text }: { readonly text: string }) {
	const [isWhole, setWhole] = useState(false);
	if (text.length <= longest || isWhole) return <bdi class="text">{text}</bdi>;
	return (
		<>
			<bdi class="text">{text.slice(0, longest)}</bdi>
			<button type="button" onClick={() => setWhole(true)}>
				… {text.length - longest} more characters
			</button>
		</>
	);
}

interface EditorProps extends ValueProps {
	readonly live: Live;
	readonly close: () => void;
}

function Editor({ property, object, live, close }: EditorProps) {
	const [text, setText] = useState(property.text);
	const [refusal, setRefusal] = useState("");
	const submit = async (event: Event) => {
		event.preventDefault();
		const reason = await live.set({
			path: object.path,
			property: property.name,
			text,
		});
		if (reason === undefined) close();
		else setRefusal(reason);
	};
	return (
		<form class="editor" onSubmit={submit}>
			<input
				aria-label={`New value of ${property.name}`}
				aria-invalid={refusal !== ""}
				value={text}
				autofocus
				onInput={(event) => setText(event.currentTarget.value)}
				onKeyDown={(event) => {
					if (event.key === "Escape") close();
				}}
			/>
			<button type="submit">Set</button>
			<button type="button" onClick={close}>
				Cancel
			</button>
			{refusal && (
				<span role="alert" class="refusal">
					{refusal}
				</span>
			)}
		</form>
	);
}
