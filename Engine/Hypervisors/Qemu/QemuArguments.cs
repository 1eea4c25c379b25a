namespace VmMigration.Engine.Hypervisors.Qemu;

/// <summary>One option of QEMU's command line.</summary>
/// <param name="Name">Its name without dashes; empty for a disk image given without an option.</param>
/// <param name="Value">Its value; null for an option that has none.</param>
internal sealed record QemuArgument(string Name, string? Value)
{
    /// <summary>The option as it is written, one dash in front.</summary>
    public IEnumerable<string> Render() => Name.Length == 0 ? [Value!] : Value is null ? [$"-{Name}"] : [$"-{Name}", Value];
}

/// <summary>Takes QEMU's arguments apart (qemu-system(1)).</summary>
internal static class QemuArguments
{
    // Every option that is followed by no value; all the others take the next argument, whatever it looks like.
    private static readonly HashSet<string> WithoutValue =
    [
        "S", "s", "daemonize", "nodefaults", "no-user-config", "nographic", "enable-kvm", "no-reboot", "no-shutdown", "snapshot", "usb",
        "no-acpi", "no-hpet", "no-fd-bootchk", "full-screen", "portrait", "win2k-hack", "old-param", "preconfig", "only-migratable",
        "curses", "sdl", "mem-prealloc", "semihosting", "singlestep", "enable-sync-profile", "xen-attach", "xen-domid-restrict",
        "no-quit", "alt-grab", "ctrl-grab", "async-teardown", "h", "help", "version", "nouserconfig",
    ];

    /// <summary>Pairs options with their values, in order.</summary>
    public static List<QemuArgument> Read(IReadOnlyList<string> arguments)
    {
        List<QemuArgument> options = [];
        for (int index = 0; index < arguments.Count; index++)
        {
            string argument = arguments[index];
            if (!argument.StartsWith('-') || argument.Length == 1)
            {
                options.Add(new("", argument));
                continue;
            }

            string name = argument.StartsWith("--", StringComparison.Ordinal) ? argument[2..] : argument[1..];
            bool hasValue = !WithoutValue.Contains(name) && index + 1 < arguments.Count;
            options.Add(new(name, hasValue ? arguments[++index] : null));
        }

        return options;
    }

    /// <summary>Takes a value apart at its single commas; two commas stand for one.</summary>
    public static List<(string? Key, string Value)> Properties(string value)
    {
        List<(string?, string)> properties = [];
        // The placeholder is a character that no argument can hold.
        foreach (string part in value.Replace(",,", "\0", StringComparison.Ordinal).Split(','))
        {
            string text = part.Replace('\0', ',');
            int equals = text.IndexOf('=', StringComparison.Ordinal);
            properties.Add(equals < 0 ? (null, text) : (text[..equals], text[(equals + 1)..]));
        }

        return properties;
    }

    /// <summary>The last value of one property; null where there is none of that name.</summary>
    public static string? Property(string value, string key) => Properties(value).LastOrDefault(property => property.Key == key).Value;

    /// <summary>Puts properties together again.</summary>
    public static string Join(IEnumerable<(string? Key, string Value)> properties) =>
        string.Join(',', properties.Select(
            property => QemuCommandLine.Escape(property.Key is null ? property.Value : $"{property.Key}={property.Value}")));
}
