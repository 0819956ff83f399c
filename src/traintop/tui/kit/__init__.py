"""What every place uses: styled lines, panes, screens, text entry, dialogs, keys, help, palette."""
