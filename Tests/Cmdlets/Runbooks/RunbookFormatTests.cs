using VmMigration.Cmdlets.Tests.Hosting;

namespace VmMigration.Cmdlets.Tests;

public sealed class RunbookFormatTests : IDisposable
{
    private readonly ModuleSession session = new();

    public void Dispose() => session.Dispose();

    [Fact]
    public void A_run_and_its_steps_show_the_essentials_within_the_columns()
    {
        using TemporaryFile runbook = RunbookText.Migration(session.Suffix);
        AssertShown($"$global:run = Invoke-MigrationRunbook '{runbook.Path}'; $run", "test", "Succeeded", "verified = True");
        AssertShown("$run.Steps", "migrate", "Start-VmMigration", "Succeeded", " s ");
    }

    [Fact]
    public void Diagnostics_show_place_and_hint_within_the_columns()
    {
        using TemporaryFile runbook = RunbookText.Frame("steps: [{ id: a, run: Get-MigrationVm, wiht: {} }]");
        AssertShown($"Test-MigrationRunbook '{runbook.Path}'", "Line", "40", "UnknownKey", "Did you mean 'with'?");
    }

    private void AssertShown(string script, params string[] essentials)
    {
        string text = session.Render(script);
        Assert.All(essentials, essential => Assert.Contains(essential, text));
        Assert.All(text.Split('\n'), line => Assert.InRange(line.Length, 0, CapturingHost.Columns));
    }
}
