"""How bash completes a line: names of runs may hold any sign that means something to a shell."""

from __future__ import annotations

import os

from click.shell_completion import BashComplete, split_arg_string

_SOURCE = r"""
%(complete_func)s() {
    local line=${COMP_LINE:0:COMP_POINT} before type value
    # Readline replaces what follows the last of its own breaks, or from an @ on.
    before=${line##*[[:space:]]}
    before=${before%%"${before##*["$COMP_WORDBREAKS"]}"}
    before=${before%%@}
    COMPREPLY=()
    while IFS=, read -r type value; do
        case $type in
            dir) compopt -o dirnames ;;
            file) compopt -o default ;;
            plain)
                value=${value#"$before"}
                COMPREPLY+=("$value")
                # Readline quotes what it takes for the name of a file: spaces, quotes, ; and (
                [[ $value == *[!A-Za-z0-9_./@%%+=:,-]* ]] && compopt -o filenames
                ;;
        esac
    done < <(COMP_WORDS=$line %(complete_var)s=bash_complete "$1")
    return 0
}

complete -o nosort -F %(complete_func)s %(prog_name)s
"""


class BashCompletion(BashComplete):
    """Click's, for names with spaces, with = and @, and with what a shell would execute."""

    source_template = _SOURCE

    def get_completion_args(self) -> tuple[list[str], str]:
        """The words before the cursor, and the one that it stands behind."""
        *words, unfinished = split_arg_string(f"{os.environ['COMP_WORDS']}|")
        return words[1:], unfinished[:-1]
