"""The settings of a session: the workspace's files, the editor's, the command line's."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from fimls import config
from fimls.config import Settings
from fimls.types import ConfigError

SECTION = "fimls"
"""Under this name an editor keeps the settings for fimls."""


class Configuration:
    """Merges the sources again whenever the editor sends other settings.

    options: initializationOptions; what the editor sends later wins over them key by key.
    command_line: has been checked.
    """

    def __init__(
        self, workspace: Path | None, options: object, command_line: Mapping[str, object]
    ) -> None:
        self._workspace = workspace
        self._options = options
        self._command_line = command_line

    def drop_broken_sources(self) -> list[ConfigError]:
        """Leave out the workspace's files or the options if they hold an error; return why.

        A repository's broken file must not cost the person their own settings.
        """
        errors = []
        try:
            config.load(self._workspace)
        except ConfigError as error:
            errors.append(error)
            self._workspace = None
        try:
            config.load(None, editor_section(self._options))
        except ConfigError as error:
            errors.append(error)
            self._options = None
        return errors

    def merged(self, editor: object = None) -> Settings:
        """Return the settings, with the editor's latest, which replace those that it sent before.

        Raises:
            ConfigError: the editor's hold an unknown key or a bad value.
        """
        given = {**editor_section(self._options), **editor_section(editor)}
        return config.load(self._workspace, given, self._command_line)


def editor_section(settings: object) -> dict[str, object]:
    """Return fimls' own part of what an editor sent: under "fimls", or all of it.

    Editors send null for a setting that nobody set.

    Raises:
        ConfigError: it is no JSON object.
    """
    if isinstance(settings, Mapping) and SECTION in settings:
        settings = settings[SECTION]
    if settings is None:
        return {}
    if not isinstance(settings, Mapping):
        raise ConfigError(
            f"{config.EDITOR.name}: expected an object, got {type(settings).__name__}",
            hint="send an object whose keys are setting names",
        )
    return {str(name): value for name, value in settings.items() if value is not None}
