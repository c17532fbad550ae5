# SPDX-License-Identifier: LGPL-2.1-or-later
# bash completion of vmonecopy: the tool itself knows what may follow; where it says nothing, files do.
_vmonecopy()
{
	local IFS=$'\n'
	COMPREPLY=($("${COMP_WORDS[0]}" complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
}
complete -o bashdefault -o default -F _vmonecopy vmonecopy
