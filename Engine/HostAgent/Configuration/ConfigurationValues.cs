using System.Globalization;
using Microsoft.Extensions.Configuration;
using VmMigration.Engine.Runbooks.Reading;

namespace VmMigration.HostAgent.Configuration;

/// <summary>
/// Takes values out of a configuration by their keys and notes what is wrong with them: a value of the wrong kind, and at the end every key
/// that nobody asked for. Keys are written with points, as in <c>control.listen</c>.
/// </summary>
/// <param name="configuration">What is read.</param>
/// <param name="origin">Names the place a key comes from, in messages.</param>
internal sealed class ConfigurationValues(IConfiguration configuration, Func<string, string> origin)
{
    private readonly HashSet<string> known = new(StringComparer.OrdinalIgnoreCase);
    private readonly List<string> problems = [];

    /// <summary>What was found wrong so far, a sentence each.</summary>
    public IReadOnlyList<string> Problems => problems;

    /// <summary>A text; null where the key is missing.</summary>
    public string? Text(string key)
    {
        known.Add(key);
        string? value = configuration[ToPath(key)];
        if (value is null) return null;
        if (value.Length > 0) return value;
        problems.Add($"{origin(key)}: '{key}' is empty; leave the key out instead.");
        return null;
    }

    /// <summary>A value of another type; the fallback where the key is missing or its value wrong.</summary>
    public T Value<T>(string key, T fallback, TryParse<T> tryParse, string expected)
    {
        if (Text(key) is not { } text) return fallback;
        if (tryParse(text, out T? value)) return value!;
        problems.Add($"{origin(key)}: '{key}' is '{text}', which is not {expected}.");
        return fallback;
    }

    /// <summary>A whole number.</summary>
    public int Number(string key, int fallback, int min, int max) => Value(key, fallback,
        (string text, out int value) => int.TryParse(text, CultureInfo.InvariantCulture, out value) && value >= min && value <= max,
        $"a whole number from {min} to {max}");

    /// <summary>A truth value.</summary>
    public bool Flag(string key, bool fallback) => Value<bool>(key, fallback, bool.TryParse, "true or false");

    /// <summary>The texts of a list; a text by itself is a list of one.</summary>
    public IReadOnlyList<T> List<T>(string key, TryParse<T> tryParse, string expected)
    {
        known.Add(key);
        IConfigurationSection section = configuration.GetSection(ToPath(key));
        List<T> values = [];
        foreach (IConfigurationSection item in section.GetChildren().Where(item => int.TryParse(item.Key, CultureInfo.InvariantCulture, out _)))
        {
            known.Add($"{key}.{item.Key}");
            Add(item.Value);
        }

        if (!string.IsNullOrEmpty(section.Value)) Add(section.Value);
        return values;

        void Add(string? text)
        {
            if (text is not null && tryParse(text, out T? value)) values.Add(value!);
            else problems.Add($"{origin(key)}: '{key}' holds '{text}', which is not {expected}.");
        }
    }

    /// <summary>Notes every key that was not asked for.</summary>
    public void RefuseUnknown()
    {
        foreach ((string path, string? value) in configuration.AsEnumerable())
        {
            string key = path.Replace(ConfigurationPath.KeyDelimiter, ".", StringComparison.Ordinal);
            bool isGroup = known.Any(name => name.StartsWith(key + ".", StringComparison.OrdinalIgnoreCase));
            if (known.Contains(key) || (isGroup && string.IsNullOrEmpty(value))) continue;
            if (value is null && configuration.GetSection(path).GetChildren().Any()) continue;
            problems.Add(isGroup
                ? $"{origin(key)}: '{key}' is '{value}', but it is a group of keys."
                : $"{origin(key)}: '{key}' is no key of an agent. {NearestName.Hint(key, known)}");
        }
    }

    private static string ToPath(string key) => key.Replace(".", ConfigurationPath.KeyDelimiter, StringComparison.Ordinal);
}
