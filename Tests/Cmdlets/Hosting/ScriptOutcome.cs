using System.Management.Automation;

namespace VmMigration.Cmdlets.Tests.Hosting;

/// <summary>What a script wrote: objects without their wrapping, and errors that did not end it.</summary>
public sealed record ScriptOutcome(IReadOnlyList<object> Output, IReadOnlyList<ErrorRecord> Errors)
{
    public T Single<T>()
    {
        Assert.True(Output.Count == 1, $"{Output.Count} objects were written. Errors: {string.Join('\n', Errors)}");
        return Assert.IsType<T>(Output[0]);
    }

    public IReadOnlyList<T> All<T>() => [.. Output.Select(Assert.IsType<T>)];
}
