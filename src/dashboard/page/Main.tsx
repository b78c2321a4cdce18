import { render } from "preact"
import * as Feed from "./Feed.tsx"
import { Page } from "./Page.tsx"

const root = document.getElementById("page")!
root.textContent = ""
render(<Page />, root)
Feed.start()
