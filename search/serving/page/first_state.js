// Asks for the state while the browser still reads the other modules.

import { get, studyPath } from "./api.js";

export const id = decodeURIComponent(location.pathname.split("/")[2] ?? "");
export const firstState = get(studyPath(id));
firstState.catch(() => {});  // study.js shows the error
