/** Puts the name of a thing on the clipboard, in the forms in which it is used elsewhere. */
import { useState } from "preact/hooks";

interface CopyButtonsProps {
	readonly texts: {
		readonly path: string;
		readonly command: string;
		readonly file: string;
	};
	readonly isSmall?: boolean;
}

const titles = {
	path: "path",
	command: "command",
	file: "file in a mount",
} as const;

export function CopyButtons({ texts, isSmall = false }: CopyButtonsProps) {
	const [copied, setCopied] = useState("");
	const copy = async (what: keyof typeof titles) => {
		await navigator.clipboard.writeText(texts[what]);
		setCopied(what);
	};
	const buttons = (Object.keys(titles) as (keyof typeof titles)[]).map(
		(what) => (
			<button
				key={what}
				type="button"
				title={texts[what]}
				onClick={() => copy(what).catch(() => setCopied(""))}
			>
				{copied === what ? "copied" : titles[what]}
			</button>
		),
	);
	if (!isSmall)
		return (
			<p class="copy">
				<span class="caption">Copy: </span>
				{buttons}
			</p>
		);
	return (
		<details class="copy">
			<summary aria-label={`Copy ${texts.path}`}>…</summary>
			{buttons}
		</details>
	);
}
